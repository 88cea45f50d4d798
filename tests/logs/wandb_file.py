"""Reads what W&B stores offline: LevelDB's log format, blocks of 32 KiB behind a header of 7 bytes."""

import struct

from wandb.proto import wandb_internal_pb2

_BLOCK, _HEADER = 32768, 7
_FULL, _LAST = 1, 4


def records(path):
    """The records of a `.wandb` file, in order."""
    data, place, parts = path.read_bytes(), _HEADER, []
    while place + _HEADER <= len(data):
        if _BLOCK - place % _BLOCK < _HEADER:  # the rest of a block that no header fits into
            place += _BLOCK - place % _BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + _HEADER])
        if kind == 0:
            return
        place += _HEADER
        parts.append(data[place : place + length])
        place += length
        if kind in (_FULL, _LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(b"".join(parts))
            parts = []
            yield record
