"""A hash of what a dataset's files say: results made from other contents are not taken for the same."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aape_lightning.data.schema import Manifest
from aape_lightning.data.splits import PARTS, Parts

__all__ = ["contents_hash"]


def contents_hash(manifest: Manifest, split: Parts[Any], files: Iterable[Path | str | None] = ()) -> str:
    """Hash of manifest, split and further files; images are known by their paths.

    Args:
        manifest: The dataset.
        split: Its parts, whose entries' `repr` says all that they hold.
        files: Sentences, draws; what is None or missing counts as empty.
    """
    digest = hashlib.sha256(manifest.model_dump_json(exclude={"root"}).encode())
    digest.update(repr(getattr(split, "class_names", None)).encode())
    for part in PARTS:
        digest.update(part.encode())
        for entry in split.part(part):
            digest.update(repr(entry).encode())
    for file in files:
        content = Path(file).read_bytes() if file is not None and Path(file).is_file() else b""
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()
