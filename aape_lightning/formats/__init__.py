"""Files of annotations that people hand in, read with errors that name the file and the place."""

from aape_lightning.formats.csv_rows import read_rows
from aape_lightning.formats.json_records import Record, read_json

__all__ = ["Record", "read_json", "read_rows"]
