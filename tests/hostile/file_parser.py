"""One kind of file that a user or a stranger can hand in, and what reads it."""

import json
from dataclasses import dataclass
from typing import Any

from mutations import mutated


@dataclass(frozen=True)
class Parser:
    """One kind of file.

    Attributes:
        file: The name that it is written by; a path where it lies in folders of its own.
        seeds: Whole files, each of which is read without a fault.
        read: What reads it, given its path.
        mutate: A hostile file out of a whole one and a `random.Random`.
        beside: Files that lie beside it, by their paths from the folder that `file` is a path from.
    """

    file: str
    seeds: tuple[bytes, ...]
    read: Any
    mutate: Any = mutated
    beside: tuple[tuple[str, bytes], ...] = ()


def place_beside(parser, folder):
    """Write into a folder what lies beside a parser's file, and make the folders that the file itself lies in."""
    for name, content in (*parser.beside, (parser.file, b"")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def as_json(*values):
    return tuple(json.dumps(value, indent=1).encode() for value in values)
