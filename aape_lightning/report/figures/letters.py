"""Letters of figures: fonts for those of the whole world, as far as they are installed, and a word where not."""

import re
import sys
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache

__all__ = ["font_families", "letters_told"]

# DejaVu comes with matplotlib, so that figures look alike everywhere; it has Latin, Greek, Cyrillic, Hebrew and Arabic.
_FIRST = "DejaVu Sans"
_OTHERS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR",
    "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "PingFang SC",
    "Hiragino Sans", "Apple SD Gothic Neo", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Noto Sans Devanagari",
    "Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Thai", "Nirmala UI", "Arial Unicode MS", "Noto Emoji", "Symbola",
)  # fmt: skip
_MISSING = re.compile(r"Glyph (\d+) .* missing from ")
_told: set[str] = set()


@cache
def font_families() -> list[str]:
    """DejaVu Sans, and after it the fonts of other scripts that this machine has; matplotlib asks them in turn."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return [_FIRST, *(name for name in _OTHERS if name in installed)]


@contextmanager
def letters_told() -> Iterator[None]:
    """Tell in one line, and once, which letters no font has, where matplotlib would warn of each of them every time."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    missing: set[str] = set()
    for warning in caught:
        if found := _MISSING.match(str(warning.message)):
            missing.add(chr(int(found[1])))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    _tell(missing - _told)


def _tell(letters: Iterable[str]) -> None:
    shown = sorted(letter for letter in letters if letter.isprintable())
    _told.update(letters)
    if shown:
        more = f" and {len(shown) - 8} more" if len(shown) > 8 else ""
        print(
            f"aape: warning: No font of this machine has {' '.join(shown[:8])}{more} ({_script(shown[0])}): the "
            "figures show boxes, the tables are right. Install Noto Sans (Debian: apt install fonts-noto-cjk "
            "fonts-noto-core), remove matplotlib's list of fonts (~/.cache/matplotlib/fontlist*), and report again.",
            file=sys.stderr,
        )


def _script(letter: str) -> str:
    """The script of a letter by the beginning of its name, such as CJK."""
    return unicodedata.name(letter, "a letter without a name").split()[0]
