"""CSV files, read row by row with errors that name the file and the row."""

import csv
from collections.abc import Sequence
from pathlib import Path

from aape_lightning.errors import DataError, ManifestError, did_you_mean, listed

__all__ = ["read_rows"]


def read_rows(path: Path, columns: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """The rows of a CSV file with at least these columns, each with its place for errors.

    Raises:
        ManifestError: If the file is missing or lacks a column.
        DataError: If it is not UTF-8, has a column twice, has no row, or a row has too few or too many cells: a comma
            in a text that is not quoted would cut it off.
    """
    if not path.is_file():
        raise ManifestError(f"No table {str(path)!r}.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_header(path, list(reader.fieldnames or []), columns)
            rows = [(f"{str(path)!r}, row {number}", row) for number, row in enumerate(reader, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{str(path)!r} cannot be read as a UTF-8 CSV file: {error}.") from error
    if not rows:
        raise DataError(f"{str(path)!r} has no row beneath its header.")
    for where, row in rows:
        if any(row[column] is None for column in columns):
            raise DataError(f"{where}: the row lacks cells.")
        if None in row.keys():  # noqa: SIM118 - csv keeps cells without a column under None
            raise DataError(f"{where}: there are more cells than columns; put texts with commas in double quotes.")
    return rows


def _check_header(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    if twice := [column for column in columns if header.count(column) > 1]:
        raise DataError(f"{str(path)!r} has the column {listed(twice)} more than once.")
    if missing := [column for column in columns if column not in header]:
        raise ManifestError(
            f"{str(path)!r} has no column {listed(missing)}; its columns are {listed(header, limit=20)}."
            f"{did_you_mean(missing[0], header)}"
        )
