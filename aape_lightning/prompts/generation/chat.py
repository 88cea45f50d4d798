"""One request to an OpenAI-compatible server: what is sent, and what a failure means."""

import os
import re
import urllib.parse
from typing import TYPE_CHECKING, Any

from aape_lightning.errors import PromptError
from aape_lightning.prompts.generation.completions import PassingError, read_completion, retry_after
from aape_lightning.prompts.generation.requests import CHAT_STYLE, Reply, Sampling

if TYPE_CHECKING:
    import openai

__all__ = ["Chat"]

_KEY = "OPENAI_API_KEY"
_BUSY = (408, 429)
_LOGIN = re.compile(r"(?<=://)[^/@\s]+(?=@)")  # who logs in at an address


class Chat:
    """A chat model behind an OpenAI-compatible server; use as `async with Chat(...) as chat`.

    The key comes from the environment variable OPENAI_API_KEY; a server of one's own may need none.

    Args:
        model: The model's name at the server.
        base_url: The server's address, as `http://localhost:8000/v1`; OpenAI's where None.
        timeout: Seconds in which a server must answer.

    Raises:
        PromptError: If the client is not installed, the address is none, or a key is missing.
    """

    def __init__(self, model: str, base_url: str | None, timeout: float) -> None:
        self._openai = _import_openai()
        base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
        if base_url is not None and not _is_address(base_url):
            told = _LOGIN.sub("***", base_url)
            raise PromptError(f"--base-url is {told!r}; an address reads like 'http://localhost:8000/v1'.")
        self._key = _key_from_environment(needed=base_url is None)
        self._client = self._openai.AsyncOpenAI(
            api_key=self._key or "none", base_url=base_url, timeout=timeout, max_retries=0
        )
        self._model, self._timeout = model, timeout
        self._limit = "max_tokens"
        self._takes_n = True

    async def __aenter__(self) -> "Chat":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.close()

    async def ask(self, question: str, n: int, sampling: Sampling) -> Reply:
        """Ask once.

        Args:
            question: What is asked.
            n: Answers that are wanted; a server may give fewer.
            sampling: How answers are drawn.

        Raises:
            PassingError: If asking again may help.
            PromptError: If it will not.
        """
        while True:
            parameters = self._parameters(n, sampling)
            try:
                return read_completion(await self._send(question, parameters))
            except self._openai.BadRequestError as error:
                self._adapt(parameters, str(error))
                if self._parameters(n, sampling) == parameters:
                    raise self._refused(error) from None
            except self._openai.APIStatusError as error:
                raise self._failed(error) from None
            except self._openai.APITimeoutError:
                raise PassingError(f"no answer within {self._timeout:g} s") from None
            except self._openai.APIConnectionError as error:
                reason = self._without_key(str(error.__cause__ or error))
                raise PassingError(f"the connection failed ({reason})") from None

    async def _send(self, question: str, parameters: dict[str, Any]) -> str:
        response = await self._client.chat.completions.with_raw_response.create(
            model=self._model, messages=[{"role": "user", "content": f"{question}\n{CHAT_STYLE}"}], **parameters
        )
        body: str = response.text
        return self._without_key(body)

    def _parameters(self, n: int, sampling: Sampling) -> dict[str, Any]:
        parameters = {"temperature": sampling.temperature, self._limit: sampling.max_tokens}
        return parameters | ({"n": n} if n > 1 and self._takes_n else {})

    def _adapt(self, parameters: dict[str, Any], message: str) -> None:
        """Leave out what this server does not take: reasoning models renamed the limit, some give one answer only."""
        if "max_completion_tokens" in message:
            self._limit = "max_completion_tokens"
        elif "n" in parameters:
            self._takes_n = False

    def _failed(self, error: "openai.APIStatusError") -> Exception:
        # An account without credit is reported as a rate limit, and no wait will mend it.
        passing = error.status_code in _BUSY and error.code != "insufficient_quota"
        if passing or error.status_code >= 500:
            return PassingError(self._without_key(str(error)), retry_after(error.response.headers))
        return self._refused(error)

    def _refused(self, error: "openai.APIStatusError") -> PromptError:
        advice = {
            401: f" The key is read from the environment variable {_KEY}.",
            403: f" The key is read from the environment variable {_KEY}.",
            404: " See --model and --base-url; the address of a server of your own mostly ends in /v1.",
            429: " The account's quota is used up.",
        }.get(error.status_code, "")
        said, server = self._without_key(str(error)), _LOGIN.sub("***", str(self._client.base_url))
        return PromptError(f"{server} does not answer for --model {self._model!r}: {said}.{advice}")

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def _is_address(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        return False


def _key_from_environment(*, needed: bool) -> str:
    key = os.environ.get(_KEY, "").strip()
    if not key and needed:
        raise PromptError(f"No key: set the environment variable {_KEY}, or name a server of your own: --base-url URL.")
    if not (key.isascii() and key.isprintable()):
        raise PromptError(f"The environment variable {_KEY} holds characters that no key has; copy the key once more.")
    return key


def _import_openai() -> Any:  # noqa: ANN401 - the module
    try:
        import openai
    except ImportError as error:
        raise PromptError("Asking a server needs the openai client: pip install 'aape-lightning[generate]'") from error
    return openai
