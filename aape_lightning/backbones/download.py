"""A download of weights: of the SHA-256 that was published, whole, and never without an end."""

import hashlib
import time
import urllib.request
from http.client import HTTPResponse
from pathlib import Path
from typing import cast

from aape_lightning.progress import progress

__all__ = ["download"]

_LARGEST = 2**32  # bytes; OpenAI's largest weights have 1.4e9
_PATIENCE = 30.0  # seconds without a byte, and seconds after which a speed is asked for
_SLOWEST = 1000.0  # bytes a second: a server that sends less would never end
_BLOCK = 2**16


def download(url: str, target: Path, sha256: str) -> None:
    """Download a file.

    Args:
        url: Where from. A server may redirect to another one, but not to a file of this machine.
        target: Where to; what is there after an error is of no use.
        sha256: What the file must hash to.

    Raises:
        OSError: If the server cannot be reached, refuses, or falls silent, or the disk is full.
        HTTPException: If it does not speak HTTP.
        ValueError: If it sends too little, too much, too slowly, or something else.
    """
    # The URLs are those of clip-anytorch's table.
    with urllib.request.urlopen(url, timeout=_PATIENCE) as opened, target.open("wb") as file, progress() as bar:  # noqa: S310
        source = cast(HTTPResponse, opened)
        announced, begun, size, digest = source.length, time.monotonic(), 0, hashlib.sha256()
        task = bar.add_task(f"downloading {Path(url).name} (MiB)", total=(announced or 0) >> 20 or None)
        while block := source.read1(_BLOCK):
            file.write(block)
            digest.update(block)
            size += len(block)
            _refuse_without_end(size, time.monotonic() - begun)
            bar.update(task, completed=size >> 20)
    if announced is not None and size < announced:
        raise ValueError(f"the server ended after {size:,} of {announced:,} bytes")
    if digest.hexdigest() != sha256:
        raise ValueError(f"what the server sent, {size:,} bytes, does not have the SHA-256 that was published")


def _refuse_without_end(size: int, seconds: float) -> None:
    if size > _LARGEST:
        raise ValueError(f"the server sent more than {_LARGEST:,} bytes, the most that weights may have")
    if seconds > _PATIENCE and size / seconds < _SLOWEST:
        raise ValueError(f"the server sent {size:,} bytes in {seconds:.0f} seconds, and would never end")
