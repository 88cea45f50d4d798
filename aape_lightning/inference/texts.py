"""What is written about images: captions, and answers to questions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pandas as pd

__all__ = ["Answer", "Answers", "Caption", "Captions"]

_SHOWN = 5


@dataclass(frozen=True)
class Caption:
    """A caption.

    Attributes:
        image: The image's name.
        caption: What was written for it.
    """

    image: str
    caption: str

    def __str__(self) -> str:
        return f"{self.image}: {self.caption}"


@dataclass(frozen=True)
class Answer:
    """An answer.

    Attributes:
        image: The image's name.
        question: What was asked about it.
        answer: What was answered.
    """

    image: str
    question: str
    answer: str

    def __str__(self) -> str:
        return f"{self.image}: {self.question} {self.answer}"


Entry = TypeVar("Entry")


class _Texts(Generic[Entry]):
    """Entries in the order of the images."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = list(entries)

    def table(self) -> pd.DataFrame:
        """One row an entry."""
        return pd.DataFrame(self.as_dicts())

    def as_dicts(self) -> list[dict[str, Any]]:
        """Plain values for JSON, an object an entry."""
        return [dict(vars(entry)) for entry in self.entries]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, place: int) -> Entry:
        return self.entries[place]

    def __repr__(self) -> str:
        more = [f"  and {len(self) - _SHOWN} more"] if len(self) > _SHOWN else []
        lines = [f"  {entry}" for entry in self.entries[:_SHOWN]]
        return "\n".join([f"{len(self)} {type(self).__name__.lower()}:", *lines, *more])


class Captions(_Texts[Caption]):
    """Captions of images; iterating gives a `Caption` each."""


class Answers(_Texts[Answer]):
    """Answers to questions about images; iterating gives an `Answer` each."""
