"""What is asked of a language model and what comes back: the contract between the run and the models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

__all__ = ["CHAT_STYLE", "LLM", "Answer", "Outcome", "Record", "Reply", "Request", "Sampling"]

CHAT_STYLE = "Answer with one plain sentence."
"""Follows every question to a chat model, which would answer with headings and lists; CuPL's model completed text."""


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn.

    Attributes:
        temperature: 0 for the likeliest answer; CuPL's is 0.99.
        max_tokens: Where an answer is cut.
    """

    temperature: float
    max_tokens: int


@dataclass(frozen=True)
class Request:
    """One question about one class.

    Attributes:
        class_name: The dataset's name of the class.
        question: The question as it is asked.
    """

    class_name: str
    question: str


@dataclass(frozen=True)
class Answer:
    """One answer, as the model gave it.

    Attributes:
        text: Its words; may be empty.
        finish: Why it ended: `stop`, `length` where it was cut at the limit, `refused`.
    """

    text: str
    finish: str


@dataclass(frozen=True)
class Reply:
    """Answers to one request that came together.

    Attributes:
        answers: At least one.
        tokens_in: Tokens of the question.
        tokens_out: Tokens of the answers.
    """

    answers: list[Answer]
    tokens_in: int
    tokens_out: int


@dataclass
class Outcome:
    """What did not go smoothly while a model was asked.

    Attributes:
        retries: Requests that were sent again.
        failures: For each request that was given up, why.
    """

    retries: int = 0
    failures: list[str] = field(default_factory=list)


Record = Callable[[Request, Reply], None]


@runtime_checkable
class LLM(Protocol):
    """Whatever answers questions."""

    name: str

    def ask(self, wanted: Sequence[tuple[Request, int]], sampling: Sampling, record: Record) -> Outcome:
        """Ask, and hand each reply to `record` as it comes.

        Args:
            wanted: Requests, each with the number of answers that it still lacks.
            sampling: How answers are drawn.
            record: Called in this thread with each reply.

        Raises:
            PromptError: If going on is pointless, as with a wrong key.
        """
        ...
