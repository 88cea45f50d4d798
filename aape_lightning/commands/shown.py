"""Sizes, ages and paths as people read them."""

import time
from pathlib import Path

__all__ = ["shown_age", "shown_path", "shown_size"]

_UNITS = ("B", "kB", "MB", "GB", "TB")
_AGES = ((86400, "d"), (3600, "h"), (60, "min"))


def shown_size(size: int) -> str:
    """A number of bytes.

    Example:
        >>> shown_size(0), shown_size(14_600_000), shown_size(2_345_000_000)
        ('0 B', '14.6 MB', '2.3 GB')
    """
    unit = 0
    while size >= 1000 ** (unit + 1) and unit < len(_UNITS) - 1:
        unit += 1
    return f"{size / 1000**unit:.{1 if unit > 1 else 0}f} {_UNITS[unit]}"


def shown_age(moment: float) -> str:
    """How long ago it was, given in seconds since 1970.

    Example:
        >>> import time
        >>> shown_age(time.time() - 90_000)
        '1 d ago'
    """
    passed = max(0.0, time.time() - moment)  # a clock may have been set back since
    for seconds, unit in _AGES:
        if count := int(passed // seconds):
            return f"{count} {unit} ago"
    return "just now"


def shown_path(path: Path) -> str:
    """A path, with `~` for the home folder, whose name is nobody's business in what people post.

    Example:
        >>> shown_path(Path.home() / ".cache"), shown_path(Path.home())
        ('~/.cache', '~')
    """
    absolute, home = path.absolute(), Path.home()
    return str("~" / absolute.relative_to(home)) if absolute.is_relative_to(home) else str(path)
