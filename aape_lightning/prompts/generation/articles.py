"""The English indefinite article: "a" or "an" by the sound that a name begins with."""

import re

__all__ = ["article"]

_SPELLED = re.compile(r"[A-Z]{1,4}(?![A-Za-z])")  # A320, MD-80, SUV: letters that are said one by one
_LETTERS_WITH_AN = frozenset("AEFHILMNORSX")  # "an ef", "an em", but "a you"
_NUMBERS_WITH_AN = re.compile(r"8|(11|18)(?!\d)")  # eight, eighty, eleven, eighteen
_VOWEL_SOUND = re.compile(r"[aeiou]|hour|honest|hono|heir", re.IGNORECASE)
_SPOKEN_AS_YOU_OR_WON = re.compile(r"uni(?!n)|us[aeu]|ut[ei]|uk|ur[aeiou]|ubi|eu|ewe|one\b|once", re.IGNORECASE)


def article(name: str) -> str:
    """The article that goes before a name.

    Example:
        >>> [article(name) for name in ("beagle", "otter", "unicycle", "hourglass", "A320", "747-400", "8-track")]
        ['a', 'an', 'a', 'an', 'an', 'a', 'an']
    """
    if spelled := _SPELLED.match(name):
        return "an" if spelled[0][0] in _LETTERS_WITH_AN else "a"
    if name[:1].isdigit():
        return "an" if _NUMBERS_WITH_AN.match(name) else "a"
    return "an" if _VOWEL_SOUND.match(name) and not _SPOKEN_AS_YOU_OR_WON.match(name) else "a"
