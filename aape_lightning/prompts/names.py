"""Sentence files spell class names in their own way; rules and aliases bring them back to the dataset's names.

The rules are those that resolve the public files of CuPL, ProText and CoPrompt against CoOp's names; what no rule
resolves is an alias in the dataset's manifest, and what is left then is an error.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from aape_lightning.errors import PromptError

__all__ = ["match_names", "normalise_name", "present_names"]

_MOST_READINGS = 3  # a name as it stands, and the two rotations


def normalise_name(name: str) -> str:
    """A class name in lower case, with single spaces for underscores and runs of spaces."""
    return " ".join(name.lower().replace("_", " ").split())


def _spellings(name: str) -> Iterator[str]:
    """A key's readings, the most literal first."""
    plain = normalise_name(name)
    yield plain
    if match := re.fullmatch(r"(.+) \((.+)\)", plain):  # SUN397: "apartment building (outdoor)"
        yield f"{match[2]} {match[1]}"
    if match := re.fullmatch(r"(.+) (\d{4})", plain):  # Stanford Cars: "Audi TTS Coupe 2012"
        yield f"{match[2]} {match[1]}"


def match_names(keys: Iterable[str], class_names: Sequence[str], aliases: Mapping[str, str]) -> dict[str, str]:
    """Find each class's key in a sentence file.

    Args:
        keys: The names that the file uses.
        class_names: The dataset's class names.
        aliases: File's name -> dataset's name, for what no rule resolves.

    Returns:
        For each class name, in order, the key that holds its sentences.

    Raises:
        PromptError: If a class is left without a key; the message lists every such class, with the closest keys.

    Example:
        >>> match_names(["Yin and Yang", "apartment building (outdoor)"], ["outdoor apartment_building", "yin_yang"],
        ...     {"yin and yang": "yin_yang"})
        {'outdoor apartment_building': 'apartment building (outdoor)', 'yin_yang': 'Yin and Yang'}
    """
    keys = list(keys)
    found = present_names(keys, class_names, aliases)
    if missing := [name for name in class_names if name not in found]:
        raise PromptError(
            f"{len(missing)} of {len(class_names)} classes have no sentences: {_with_closest(missing, keys)}. Add them "
            "to the prompt file, name them under `aliases` in the manifest ({file's name: class name}), or let "
            "templates stand in with --data.templates_for_missing true."
        )
    return found


def present_names(keys: Iterable[str], class_names: Sequence[str], aliases: Mapping[str, str]) -> dict[str, str]:
    """As `match_names`, without the classes that no key is left for."""
    target = {normalise_name(key): normalise_name(name) for key, name in aliases.items()}
    readings: dict[str, str] = {}
    spellings = [(key, _readings(key, target)) for key in keys]
    for rank in range(_MOST_READINGS):
        for key, spelled in spellings:
            if rank < len(spelled):
                readings.setdefault(spelled[rank], key)  # a literal reading is never displaced by a derived one
    return {name: readings[normalise_name(name)] for name in class_names if normalise_name(name) in readings}


def _readings(key: str, aliases: Mapping[str, str]) -> list[str]:
    alias = aliases.get(normalise_name(key))
    return list(_spellings(key)) if alias is None else [alias]


def _with_closest(missing: Sequence[str], keys: Sequence[str], limit: int = 20) -> str:
    """The first missing classes, each with the key that is closest to it."""
    plain = {normalise_name(key): key for key in keys}
    shown = []
    for name in missing[:limit]:
        close = difflib.get_close_matches(normalise_name(name), plain, n=1)
        shown.append(f"{name!r}" + (f" (closest: {plain[close[0]]!r})" if close else ""))
    more = f" and {len(missing) - limit} more" if len(missing) > limit else ""
    return ", ".join(shown) + more
