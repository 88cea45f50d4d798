"""Sentences that stand out: near-duplicates, those of another class, and those of no class."""

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["KINDS", "TEXT_MODEL", "Flag", "Kind", "Thresholds"]

TEXT_MODEL = "all-MiniLM-L6-v2"  # the text model under which the thresholds were chosen

Kind = Literal["near-duplicates", "misplaced", "off-topic"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Thresholds:
    """When a sentence is flagged.

    The defaults were chosen by reading what they flag in CuPL's sentences for Caltech-101, Stanford Cars and SUN397 and
    in VisDesc's phrases for DTD and Food-101, under all-MiniLM-L6-v2; another text model may need others.

    Attributes:
        near_duplicates: Least cosine with an earlier sentence of the class. From 0.97 up, most pairs are one statement
            in two wordings; at 0.95 they begin to differ in colours and parts.
        misplaced: By how much a sentence fits another class better than its own. Below 0.1 stand sentences that sibling
            classes may share (an indoor and an outdoor cathedral); above it, those that describe the other class.
        off_topic: Median absolute deviations beyond the median angle to the class that a sentence fits best. From 6 up
            stand answers that are none ("I cannot see the photo.") and what would do for any class ("By its shape.").
    """

    near_duplicates: float = 0.97
    misplaced: float = 0.1
    off_topic: float = 6.0


@dataclass(frozen=True)
class Flag:
    """One sentence that stands out.

    Attributes:
        kind: What it is.
        class_name: Its class.
        position: Its place among the class's sentences.
        sentence: The sentence.
        against: The earlier sentence that it nearly repeats, or the class that it fits best.
        cosine: Its cosine to that sentence, or its fit with that class.
        own: Its fit with its own class.
    """

    kind: Kind
    class_name: str
    position: int
    sentence: str
    against: str
    cosine: float
    own: float

    @property
    def rank(self) -> tuple[int, float]:
        """Sorts flags by kind, and within a kind the most striking first."""
        measure = {"near-duplicates": -self.cosine, "misplaced": self.own - self.cosine, "off-topic": self.cosine}
        return KINDS.index(self.kind), measure[self.kind]
