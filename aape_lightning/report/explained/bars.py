"""Shares as bars: how long each is, and where uniform attention would end."""

from collections.abc import Sequence
from dataclasses import dataclass

from aape_lightning.protocols.explanations import Choice, Sentence

__all__ = ["Bar", "Bars", "choice_bars", "sentence_bars"]


@dataclass(frozen=True)
class Bar:
    """One bar with its label.

    Attributes:
        label: What it is of: a class, or a sentence.
        share: Its value, from 0 to 1.
        width: Its length, from 0 to 1 of the room that there is.
        kind: A sentence's kind; empty where it is not known.
        is_true: Whether it is of the true class.
    """

    label: str
    share: float
    width: float
    kind: str = ""
    is_true: bool = False


@dataclass(frozen=True)
class Bars:
    """Bars of one scale.

    Attributes:
        bars: The bars.
        uniform: Where uniform attention would end, from 0 to 1 of the room; None where that is meaningless.
    """

    bars: Sequence[Bar]
    uniform: float | None = None


def choice_bars(choices: Sequence[Choice], label: str) -> Bars:
    """The probabilities of some classes, over the room from 0 to 1.

    Args:
        choices: The classes.
        label: The true class.
    """
    return Bars([Bar(one.name, one.probability, one.probability, is_true=one.name == label) for one in choices])


def sentence_bars(sentences: Sequence[Sentence], count: int, largest: float) -> Bars:
    """The attention of some sentences.

    Args:
        sentences: The sentences.
        count: How many there are of the class in all.
        largest: The share that fills the room; more where uniform attention is more.
    """
    scale = max(largest, 1 / count)
    bars = [Bar(one.text, one.share, one.share / scale, one.kind or "") for one in sentences]
    return Bars(bars, 1 / count / scale)
