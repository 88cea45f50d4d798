"""What lies in the cache folder: feature stores, prompt banks and search indices, whole ones and half-built ones.

Only what has the name of one of ours is seen. Nothing is followed that is a symbolic link.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from aape_lightning.commands.cache.headers import read_json, read_keys, read_metadata, read_shape

__all__ = ["KINDS", "Entry", "Kind", "State", "entries_in"]

Kind = Literal["features", "banks", "indices"]
State = Literal["complete", "partial", "left behind", "damaged"]
KINDS: tuple[Kind, ...] = ("features", "banks", "indices")

_FOLDER = re.compile(r"([0-9a-f]{24})((?:\.\w+)?\.partial)?")  # a word between: of a process that builds alone
_FILE = re.compile(r"(\.?)([0-9a-f]{24})\.safetensors(\.\w+)?")  # a dot before and an ending: a write that was killed


@dataclass(frozen=True)
class Entry:
    """One thing in the cache.

    Attributes:
        kind: What it is.
        path: Its folder or file.
        lock: The file that is locked while it is built.
        state: Whether it is whole. What a killed build leaves is partial: the next build goes on with it.
        of: The dataset, the first key of a bank, what an index was made with; empty where it does not say.
        backbone: The name of the backbone that made it; empty where it does not say.
        fingerprint: That backbone's weights.
        holds: How much it holds.
        precision: In which the tower computed.
        bytes: Its size on disk.
        last_used: When it was written or read last, in seconds since 1970, as far as the file system notes it.
    """

    kind: Kind
    path: Path
    lock: Path
    state: State
    of: str = ""
    backbone: str = ""
    fingerprint: str = ""
    holds: str = ""
    precision: str = "float32"
    bytes: int = 0
    last_used: float = 0.0


def entries_in(cache: Path) -> list[Entry]:
    """Everything of ours in a cache folder, by kind, the last used first."""
    found = [entry for kind in KINDS for entry in _in_folder(kind, cache / kind)]
    found += _in_folder("banks", cache)
    names = {entry.fingerprint: entry.backbone for entry in found if entry.backbone and entry.fingerprint}
    named = [replace(entry, backbone=entry.backbone or names.get(entry.fingerprint, "")) for entry in found]
    return sorted(named, key=lambda entry: (KINDS.index(entry.kind), -entry.last_used))


def _in_folder(kind: Kind, folder: Path) -> Iterator[Entry]:
    if folder.is_symlink() or not folder.is_dir():
        return
    with os.scandir(folder) as places:
        for place in sorted(places, key=lambda place: place.name):
            path = Path(place.path)
            if place.is_dir(follow_symlinks=False) and (match := _FOLDER.fullmatch(place.name)):
                yield _measured(_folder(kind, path, path.with_name(f"{match[1]}.lock"), partial=bool(match[2])))
            elif place.is_file(follow_symlinks=False) and (match := _FILE.fullmatch(place.name)):
                lock, whole = path.with_name(f"{match[2]}.lock"), not match[1] and not match[3]
                yield _measured(_file(kind, path, lock) if whole else Entry(kind, path, lock, "left behind"))


def _measured(entry: Entry) -> Entry:
    """With its size, and the latest of the times of its files."""
    files = [entry.path]
    if entry.path.is_dir():
        files = [Path(folder) / name for folder, _, names in os.walk(entry.path) for name in names]
    found = [path.lstat() for path in files if path.is_symlink() or path.exists()]
    used = max((max(stat.st_atime, stat.st_mtime) for stat in found), default=0.0)
    return replace(entry, bytes=sum(stat.st_size for stat in found), last_used=used)


def _folder(kind: Kind, path: Path, lock: Path, *, partial: bool) -> Entry:
    try:
        told = None if partial else read_json(path / "store.json")
        shape = next((read_shape(array) for array in sorted(path.glob("*.npy"))), ())
    except FileNotFoundError:
        told, shape = None, ()
    except (OSError, ValueError):
        return Entry(kind, path, lock, "damaged")
    if not isinstance(told, dict):
        return Entry(kind, path, lock, "partial", holds=_rows(kind, shape, _rows_done(path)))
    return Entry(
        kind, path, lock, "complete",
        of=str(told.get("title", "")),
        backbone=str(told.get("backbone_name", "")),
        fingerprint=str(told.get("backbone", "")),
        holds=f"{_rows(kind, shape)}{_views(told)}",
        precision=str(told.get("precision", "float32")),
    )  # fmt: skip


def _rows(kind: Kind, shape: tuple[int, ...], done: int | None = None) -> str:
    if not shape:
        return ""
    thing = "image" if kind == "features" else "sentence"
    rows = f"{shape[0]:,} {thing}{'s' * (shape[0] != 1)}"
    return rows if done is None else f"{done:,} of {rows}"


def _rows_done(partial: Path) -> int:
    """Rows of the shards that are noted as done: each note's name is `FIRST-STOP.done`."""
    notes = [note for note in partial.glob("shards/*.done") if note.stat().st_size]
    spans = [note.stem.split("-") for note in notes]
    return sum(int(span[1]) - int(span[0]) for span in spans if len(span) == 2 and "".join(span).isdigit())


def _views(told: dict[str, Any]) -> str:
    views = told.get("views")
    count = views.get("count", 1) if isinstance(views, dict) else 1
    parts = [f"× {count} views" if count != 1 else "", "(tokens)" if told.get("output") == "tokens" else ""]
    return "".join(f" {part}" for part in parts if part)


def _file(kind: Kind, path: Path, lock: Path) -> Entry:
    try:
        told = read_metadata(path)
        entry = Entry(kind, path, lock, "complete", fingerprint=told.get("backbone", ""))
        if kind == "indices":
            return replace(entry, of=told.get("encoder_name", ""), holds="search index")
        count, keys = read_keys(path)
    except (OSError, ValueError):
        return Entry(kind, path, lock, "damaged")
    of = f"{keys[0]}, ..." if len(keys) > 1 else "".join(keys)
    holds = f"{_rows(kind, (count,))}, {len(keys):,} key{'s' * (len(keys) != 1)}"
    return replace(entry, of=of, backbone=told.get("backbone_name", ""), holds=holds)
