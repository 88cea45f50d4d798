"""Safetensors files that are the same byte for byte when they hold the same."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

__all__ = ["save_tensors"]

_SIZE = 8  # bytes that say how long the header is


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write tensors and what is told of them; equal content gives equal bytes.

    safetensors keeps the metadata in a table without order, which another process writes in another order.

    Args:
        tensors: Contiguous tensors by name.
        path: The file; it is not written atomically.
        metadata: Texts by name; at least one.
    """
    save_file(dict(tensors), path, dict(metadata))
    with path.open("rb+") as file:
        size = int.from_bytes(file.read(_SIZE), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        written = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        assert len(written) <= size, f"{len(written)} bytes of header do not fit into {size}"
        file.seek(_SIZE)
        file.write(written.ljust(size))
