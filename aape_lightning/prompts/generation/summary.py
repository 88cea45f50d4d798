"""What a run did and what its file holds."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Summary"]


@dataclass(frozen=True)
class Summary:
    """What a run did, and what the file holds.

    Attributes:
        classes: Classes in the file.
        sentences: Sentences in the file.
        empty: Answers dropped because nothing was left of them.
        refused: Answers dropped because the model declined.
        asked: Requests that this run had to ask; the others were answered before.
        requests: All requests.
        retries: Requests that this run sent again.
        tokens_in: Tokens of all questions, earlier runs' included.
        tokens_out: Tokens of all answers, earlier runs' included.
        cost: US dollars for these tokens, where prices are known.
        seconds: Time that this run took.
        unchanged: Whether the file was there already and complete.
    """

    classes: int
    sentences: int
    empty: int
    refused: int
    asked: int
    requests: int
    retries: int
    tokens_in: int
    tokens_out: int
    cost: float | None
    seconds: float
    unchanged: bool

    def rows(self) -> dict[str, str]:
        """The summary in words."""
        return {
            "Classes": str(self.classes),
            "Sentences": f"{self.sentences}; dropped {self.empty} empty and {self.refused} refused answers",
            "Requests": f"{self.requests}, {self.asked} of them asked now, {self.retries} retries",
            "Tokens": f"{self.tokens_in:,} in, {self.tokens_out:,} out",
            **({} if self.cost is None else {"Cost": f"{self.cost:.4f} USD"}),
            "Time": f"{self.seconds:.1f} s",
        }

    def verdict(self, out: Path) -> str:
        """What came of it."""
        if not self.unchanged:
            return f"Written: {out}"
        return f"{out} is as it was." if self.asked else f"{out} is complete already; nothing was asked."
