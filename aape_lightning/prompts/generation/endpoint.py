"""A language model behind an OpenAI-compatible server, asked many questions at once."""

import asyncio
from collections.abc import Iterator, Sequence

from aape_lightning.prompts.generation.backoff import Backoff
from aape_lightning.prompts.generation.chat import Chat
from aape_lightning.prompts.generation.completions import PassingError
from aape_lightning.prompts.generation.requests import Outcome, Record, Reply, Request, Sampling

__all__ = ["Endpoint"]

_GIVE_UP = 5  # requests in a row, each sent as often as the backoff allows: the server is gone


class Endpoint:
    """Sends requests, some at once, and sends them again where that may help.

    Args:
        model: The model's name at the server.
        base_url: The server's address; OpenAI's where None.
        concurrency: Requests in flight at most.
        timeout: Seconds in which a server must answer.
        backoff: When to send a request again.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        *,
        concurrency: int = 8,
        timeout: float = 180.0,
        backoff: Backoff | None = None,
    ) -> None:
        self.name = model
        self._base_url = base_url
        self._concurrency = concurrency
        self._timeout = timeout
        self._backoff = backoff or Backoff()

    def ask(self, wanted: Sequence[tuple[Request, int]], sampling: Sampling, record: Record) -> Outcome:
        """Ask, as `LLM.ask`.

        Raises:
            PromptError: If the server refuses the key, the model or the request.
        """
        return asyncio.run(self._ask_all(wanted, sampling, record))

    async def _ask_all(self, wanted: Sequence[tuple[Request, int]], sampling: Sampling, record: Record) -> Outcome:
        async with Chat(self.name, self._base_url, self._timeout) as chat:
            run = _Run(chat, sampling, record, self._backoff)
            queue = iter(wanted)  # one for all workers, so that each request is taken once
            workers = [asyncio.create_task(run.work(queue)) for _ in range(self._concurrency)]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
            return run.outcome


class _Run:
    """What the workers of one run share."""

    def __init__(self, chat: Chat, sampling: Sampling, record: Record, backoff: Backoff) -> None:
        self.outcome = Outcome()
        self._chat, self._sampling, self._record, self._backoff = chat, sampling, record, backoff
        self._failed_in_a_row = 0

    async def work(self, queue: Iterator[tuple[Request, int]]) -> None:
        while self._failed_in_a_row < _GIVE_UP:
            request, count = next(queue, (None, 0))
            if request is None:
                return
            try:
                await self._answer(request, count)
                self._failed_in_a_row = 0
            except PassingError as error:
                self.outcome.failures.append(str(error))
                self._failed_in_a_row += 1

    async def _answer(self, request: Request, count: int) -> None:
        """Ask until there are enough answers: a server may give one at a time, whatever it is asked for."""
        while count > 0:
            reply = await self._persist(request.question, count)
            self._record(request, reply)
            count -= len(reply.answers)

    async def _persist(self, question: str, count: int) -> Reply:
        attempt = 1
        while True:
            try:
                return await self._chat.ask(question, count, self._sampling)
            except PassingError as error:
                wait = self._backoff.wait(attempt, error.retry_after)
                if wait is None:
                    raise
            await asyncio.sleep(wait)
            self.outcome.retries += 1
            attempt += 1
