"""JSON files of annotations, read record by record with errors that name the file and the place in it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aape_lightning.errors import DataError, listed, shown
from aape_lightning.formats.json_content import parse_json

__all__ = ["Record", "read_json"]


@dataclass(slots=True)
class Record:
    """One object of a JSON file.

    Attributes:
        fields: What it holds.
        path: The file.
        place: Where it stands in the file, such as `annotations[3]`; empty for the file's outermost object.
    """

    fields: dict[str, Any]
    path: Path
    place: str = ""

    def fault(self, what: str) -> DataError:
        """An error at this place, to be raised."""
        return DataError(f"{str(self.path)!r}{f', {self.place}' if self.place else ''}: {what}")

    def text(self, key: str) -> str:
        """A field of text.

        Raises:
            DataError: If it is absent or no text.
        """
        value = self.fields.get(key)
        if not isinstance(value, str):
            raise self._wrong(key, "text")
        return value

    def optional_text(self, key: str) -> str | None:
        """A field of text, or None where it is absent or null.

        Raises:
            DataError: If it is something else.
        """
        return None if self.fields.get(key) is None else self.text(key)

    def identity(self, key: str) -> int | str:
        """A field that identifies something: a whole number or text.

        Raises:
            DataError: If it is absent or neither.
        """
        value = self.fields.get(key)
        if not isinstance(value, int | str) or isinstance(value, bool):
            raise self._wrong(key, "a whole number or text")
        return value

    def texts(self, key: str) -> list[str]:
        """A list of texts.

        Raises:
            DataError: If the field is absent or anything else.
        """
        value = self.fields.get(key)
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise self._wrong(key, "a list of texts")
        return value

    def records(self, key: str) -> "Iterator[Record]":
        """The objects of a list.

        Raises:
            DataError: If the field is absent or no list, or an entry is no object.
        """
        entries = self.fields.get(key)
        if not isinstance(entries, list):
            raise self._wrong(key, "a list")
        inside = f"{self.place}.{key}" if self.place else key
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict):
                raise self.fault(f"{key}[{index}] must be an object, not {shown(entry)}.")
            yield Record(entry, self.path, f"{inside}[{index}]")

    def _wrong(self, key: str, wanted: str) -> DataError:
        if key not in self.fields:
            return self.fault(f"{key!r} is missing; the keys are {listed(self.fields)}.")
        return self.fault(f"{key!r} must be {wanted}, not {shown(self.fields[key])}.")


def read_json(path: Path, inner: Callable[[dict[str, Any]], Any] | None = None) -> Record:
    """The outermost object of a JSON file.

    Args:
        path: The file.
        inner: What becomes of each object of the file as soon as it is read, innermost first; for files whose objects
            are so many that they should not all be kept.

    Raises:
        DataError: If the file is not JSON (see `parse_json`), or holds something else than an object.
    """
    content = parse_json(path, inner=inner)
    if not isinstance(content, dict):
        raise DataError(f"{str(path)!r} must hold a JSON object, not {shown(content)}.")
    return Record(content, path)
