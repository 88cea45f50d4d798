"""Lists of class names: a text file with a name a line, after its key where classes have keys (WordNet ids)."""

from pathlib import Path

from aape_lightning.errors import ManifestError

__all__ = ["read_names_file"]


def read_names_file(path: Path, *, keyed: bool) -> list[str] | dict[str, str]:
    """Class names in label order; with keys, key -> name.

    Args:
        path: The text file.
        keyed: Each line is a key, a space, and the name, as in ImageNet's `n01440764 tench`.

    Raises:
        ManifestError: If the file is missing, not UTF-8, empty, or a line has no name or a key that was there already.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, ValueError) as error:  # no Unicode, or no name of a file
        raise ManifestError(f"The class names {str(path)!r} cannot be read: {error}.") from error
    if not lines:
        raise ManifestError(f"The class names {str(path)!r} are empty.")
    if not keyed:
        return lines
    names: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        key, _, name = line.partition(" ")
        if not name or key in names:
            raise ManifestError(f"{str(path)!r}, line {number}: {line!r} is not a new key, a space, and a class name.")
        names[key] = name.strip()
    return names
