"""Typed errors: each names the thing, its value, the legal values, and the command that mends it."""

import difflib
import reprlib
import shlex
from collections.abc import Iterable

__all__ = [
    "AAPEError",
    "BackboneMismatchError",
    "BackboneNotFoundError",
    "BatchError",
    "CheckpointError",
    "DataError",
    "ExportError",
    "ImageError",
    "LanguageModelError",
    "ManifestError",
    "MetricError",
    "PromptError",
    "RecipeError",
    "ResultError",
    "StorageError",
    "did_you_mean",
    "listed",
    "pasted",
    "reason",
    "shown",
]


_LONGEST = 200  # characters of a name in a message
_brief = reprlib.Repr()
_brief.maxstring = _brief.maxlong = _brief.maxother = 60
_brief.maxlevel = 3


class AAPEError(Exception):
    """Base of every error that a user can mend; the command line prints it without a traceback."""


class BackboneNotFoundError(AAPEError):
    """A backbone's name is unknown, or its weights are neither on disk nor to be downloaded."""


class BackboneMismatchError(AAPEError):
    """A checkpoint or a prompt bank was made with another backbone than the one in use."""


class BatchError(AAPEError):
    """A batch lacks a key that the data contract (`aape_lightning.batch`) promises."""


class CheckpointError(AAPEError):
    """A checkpoint lacks what the command needs from it."""


class DataError(AAPEError):
    """A split, a draw or a subset of classes is impossible or empty."""


class ExportError(AAPEError):
    """A checkpoint has no such part to export, a file format needs what is not installed, or the file disagrees."""


class ImageError(DataError):
    """An image is missing or cannot be decoded."""


class LanguageModelError(AAPEError):
    """A language model's name is unknown, or its files are missing, damaged, or do not belong together."""


class ManifestError(AAPEError):
    """A manifest is unknown, malformed, or disagrees with the files under its root."""


class MetricError(AAPEError):
    """What is to be scored is incomplete or malformed, or a metric needs what is not installed."""


class PromptError(AAPEError):
    """Sentences are missing, of the wrong form, too long, or left a class with none."""


class RecipeError(AAPEError):
    """A recipe or a method is unknown, or its values contradict each other."""


class ResultError(AAPEError):
    """A folder holds no results, or a result file is malformed."""


class StorageError(AAPEError):
    """A file or folder cannot be written: no room is left, it is read-only, or it was removed meanwhile."""


def listed(names: Iterable[str], limit: int = 8) -> str:
    """Names for an error message: the first `limit` of them, quoted, and how many more there are.

    Example:
        >>> listed(["a", "b", "c"], limit=2)
        "'a', 'b' and 1 more"
    """
    names = list(names)
    first = ", ".join(repr(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}...") for name in names[:limit])
    return first if len(names) <= limit else f"{first} and {len(names) - limit} more"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the closest known name, or an empty string where none is close.

    Example:
        >>> did_you_mean("caltec101", ["caltech101", "eurosat"])
        " Did you mean 'caltech101'?"
    """
    close = difflib.get_close_matches(name[:_LONGEST], [other for other in known if len(other) <= _LONGEST], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def reason(error: Exception) -> str:
    r"""A library's error in one line, for a message of one's own: its first line without the full stop, or its kind.

    Example:
        >>> reason(ValueError("No such file.\nTry another.")), reason(KeyError())
        ('No such file', 'KeyError')
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0].removesuffix(".")


def pasted(name: str) -> str:
    """A name out of a stranger's file for a command that a user may paste: one word to a shell, without control codes.

    Example:
        >>> pasted("someone/clip"), pasted("x; reboot")
        ('someone/clip', "'x; reboot'")
    """
    return shlex.quote("".join(letter for letter in name if letter.isprintable())[:200])


def shown(value: object) -> str:
    """A value out of a stranger's file for a message: at most 60 characters of it, however large or deep it is.

    Example:
        >>> shown([1, {"a": [[[]]]}]), len(shown("x" * 1000))
        ("[1, {'a': [...]}]", 60)
    """
    return _brief.repr(value)[:60]
