"""Descriptors: short phrases about a class ("long, thin legs"), as in VisDesc's files, composed into sentences."""

import re
from collections.abc import Mapping, Sequence

__all__ = ["are_descriptors", "compose"]

_IS = ("a ", "an ", "used ")
_BARE = ("has ", "often ", "typically ", "may ", "can ")
_MOST = 0.9  # of a file's phrases look like descriptors, where it is a file of descriptors


def compose(name: str, phrase: str) -> str:
    """A sentence from a phrase, by VisDesc's rule; underscores in the name read as spaces.

    Example:
        >>> compose("apple_pie", "a golden crust"), compose("hen", "often brown"), compose("hen", "two legs")
        ('apple pie, which is a golden crust.', 'hen, which often brown.', 'hen, which has two legs.')
    """
    phrase = phrase.strip().rstrip(".")
    verb = "which is " if phrase.startswith(_IS) else "which " if phrase.startswith(_BARE) else "which has "
    return f"{name.replace('_', ' ')}, {verb}{phrase}."


def are_descriptors(texts: Mapping[str, Sequence[str]]) -> bool:
    """Whether a file holds phrases rather than sentences.

    A phrase starts in lower case or with a digit, has no full stop, and does not name its class; sentences for CLIP,
    such as `a photo of a dog`, may do the first two and name their class.
    """
    phrases = [(name, text.strip()) for name, group in texts.items() for text in group if text.strip()]
    return bool(phrases) and sum(_is_phrase(name, text) for name, text in phrases) >= _MOST * len(phrases)


def _is_phrase(name: str, text: str) -> bool:
    starts_low = text[0].islower() or text[0].isdigit()
    words = _words(text)
    names_class = all(any(word.startswith(part) for word in words) for part in _words(name))  # or its plural
    return starts_low and not text.endswith((".", "!", "?")) and not names_class


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower().replace("_", " "))
