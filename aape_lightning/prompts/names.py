"""Sentence files spell class names in their own way; rules and aliases bring them back to the dataset's names.

The rules are those that resolve the public files of CuPL, ProText and CoPrompt against CoOp's names; what no rule
resolves is an alias in the dataset's manifest, and what is left then is an error.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from aape_lightning.errors import PromptError, did_you_mean, listed

__all__ = ["match_names"]


def _normalise(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())


def _spellings(name: str) -> Iterator[str]:
    """A key's readings, the most literal first."""
    plain = _normalise(name)
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
        PromptError: If a class is left without a key; the message lists every such class.

    Example:
        >>> match_names(["Yin and Yang", "apartment building (outdoor)"], ["outdoor apartment_building", "yin_yang"],
        ...     {"yin and yang": "yin_yang"})
        {'outdoor apartment_building': 'apartment building (outdoor)', 'yin_yang': 'Yin and Yang'}
    """
    keys = list(keys)
    target = {_normalise(key): _normalise(name) for key, name in aliases.items()}
    readings: dict[str, str] = {}
    for rank in range(3):
        for key in keys:
            spelled = [target[_normalise(key)]] if _normalise(key) in target else list(_spellings(key))
            if rank < len(spelled):
                readings.setdefault(spelled[rank], key)  # a literal reading is never displaced by a derived one
    missing = [name for name in class_names if _normalise(name) not in readings]
    if missing:
        raise PromptError(
            f"{len(missing)} of {len(class_names)} classes have no sentences: {listed(missing, limit=20)}."
            f"{did_you_mean(_normalise(missing[0]), readings)} Add them to the prompt file, or name them under "
            "`aliases` in the manifest ({file's name: class name})."
        )
    return {name: readings[_normalise(name)] for name in class_names}
