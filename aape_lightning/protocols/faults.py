"""What pydantic finds wrong with a file, in one line."""

from pydantic import ValidationError

__all__ = ["told_faults"]

_MOST = 3


def told_faults(error: ValidationError) -> str:
    """The first faults, each with its place in the file."""
    faults = [": ".join([*map(str, fault["loc"]), fault["msg"]]) for fault in error.errors()]
    more = f"; and {len(faults) - _MOST} more" if len(faults) > _MOST else ""
    return "; ".join(faults[:_MOST]) + more
