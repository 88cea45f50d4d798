"""CoOp's draws: pickles of one class, read without running what a stranger wrote into them.

Two gates. Before anything is built the instructions are read one by one: a draw needs texts, numbers, lists,
dictionaries and one class, and a file that asks for more could run code, take memory without bound, or never end. Then
the unpickler itself lets in that class and nothing else.
"""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

__all__ = ["Datum", "read_pickled_draw"]

_DATUM = "dassl.data.datasets.base_dataset.Datum"
# Neither tuples nor sets: hashing a few dozen that are nested in each other twice would take for ever.
_NEEDED = frozenset(
    [
        "PROTO",
        "STOP",
        "MARK",
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "BININT",
        "BININT1",
        "BININT2",
        "BINFLOAT",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "EMPTY_LIST",
        "APPEND",
        "APPENDS",
        "EMPTY_DICT",
        "SETITEM",
        "SETITEMS",
        "EMPTY_TUPLE",
        "GLOBAL",
        "STACK_GLOBAL",
        "NEWOBJ",
        "BUILD",
        "MEMOIZE",
        "BINPUT",
        "LONG_BINPUT",
        "BINGET",
        "LONG_BINGET",
    ]
)
_FRAME_HEADER = 9  # bytes: the instruction and its length


class Datum:
    """What CoOp's pickles hold: an image's path, label and class name."""

    _impath: str


class _Unpickler(pickle.Unpickler):
    """Lets in CoOp's one class and nothing else."""

    def find_class(self, module: str, name: str) -> type:
        _check_class(f"{module}.{name}")
        return Datum


def read_pickled_draw(path: Path) -> Any:  # noqa: ANN401 - a stranger's file
    """What a pickle of CoOp's `split_fewshot/` holds: `{"train": [Datum, ...], "val": [Datum, ...]}` if it is one.

    Raises:
        pickle.UnpicklingError: If it asks for anything that such a file does not need.
        ValueError: If it is no pickle. Damaged ones raise what else `pickle` raises: `AttributeError`, `EOFError`,
            `IndexError`, `KeyError`, `TypeError`.
    """
    content = path.read_bytes()
    try:
        _check(content)
        return _Unpickler(io.BytesIO(content)).load()
    except OverflowError as error:  # a length that no file has
        raise pickle.UnpicklingError(str(error)) from error


def _check(content: bytes) -> None:
    texts: list[str] = []
    frame_ends = 0
    for number, (opcode, argument, position) in enumerate(pickletools.genops(content)):
        if isinstance(argument, str):
            texts = [*texts[-1:], argument]
        if opcode.name == "GLOBAL":
            _check_class(str(argument).replace(" ", "."))
        elif opcode.name == "STACK_GLOBAL":
            _check_class(".".join(texts))
        elif opcode.name == "FRAME":
            if position is None or position < frame_ends:  # pickle then runs other instructions than are checked here
                raise pickle.UnpicklingError("one of its frames begins inside another")
            frame_ends = position + _FRAME_HEADER + int(argument or 0)
        elif opcode.name not in _NEEDED:
            raise pickle.UnpicklingError(f"it holds the instruction {opcode.name}, which no draw of CoOp's needs")
        if "PUT" in opcode.name and isinstance(argument, int) and argument > number:
            raise pickle.UnpicklingError(f"it numbers its parts up to {argument}")  # pickle makes room for so many


def _check_class(name: str) -> None:
    if name != _DATUM:
        raise pickle.UnpicklingError(f"it asks for {name:.100}, and only {_DATUM} is let in")
