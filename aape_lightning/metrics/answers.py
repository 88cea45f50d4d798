"""VQA's official normalisation of answers: punctuation, number words, articles, contractions."""

import re

from aape_lightning.metrics.contractions import CONTRACTIONS

__all__ = ["clean_answer", "normalise_answer"]

_MARKS = ';/[]"{}()=+\\_-><@`,?!'  # all punctuation but the apostrophe (girl's) and the colon (2:50 pm)
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")  # one before a digit may be a decimal point
_MOST_PERIODS = 32  # the official evaluator passes a flag where Python takes the number of replacements
_NUMBERS = {"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5"}
_NUMBERS |= {"six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10"}
_ARTICLES = frozenset({"a", "an", "the"})


def clean_answer(answer: str) -> str:
    """An answer as the official evaluator compares it where all people agree: tabs and line ends become spaces."""
    return answer.replace("\n", " ").replace("\t", " ").strip()


def normalise_answer(answer: str) -> str:
    """An answer as the official evaluator compares it where people differ, in its order of steps.

    1. A punctuation mark goes without a trace where the answer has it beside a space, or has a comma between digits
       anywhere (100,978 becomes 100978); elsewhere it becomes a space (black/white becomes two words). Apostrophes and
       colons stay.
    2. Periods go, but for one before a digit.
    3. Lower case; number words from none and zero to ten become digits; articles go; contractions get the apostrophe
       that they lack; white space becomes single spaces.

    Source: visualqa.org/evaluation.html; where that text leaves something open, what its evaluator does.

    Example:
        >>> normalise_answer("The two girls' cups, dont ask!")
        "2 girls' cups don't ask"
    """
    words = _without_marks(clean_answer(answer)).lower().split()
    numbered = [_NUMBERS.get(word, word) for word in words]
    return " ".join(CONTRACTIONS.get(word, word) for word in numbered if word not in _ARTICLES)


def _without_marks(answer: str) -> str:
    number, text = _COMMA_IN_NUMBER.search(answer), answer
    for mark in _MARKS:
        # Beside a space means in the answer as it came, wherever: "a-b - c" loses both of its hyphens.
        beside_space = f"{mark} " in answer or f" {mark}" in answer
        text = text.replace(mark, "" if beside_space or number else " ")
    return _PERIOD.sub("", text, count=_MOST_PERIODS)
