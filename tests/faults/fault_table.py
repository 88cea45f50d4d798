"""The table that `make test-faults` ends with: what was disturbed, how often, and what survived."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ROWS", "Row", "record", "told"]


@dataclass(frozen=True)
class Row:
    """A line of the table that `make test-faults` ends with.

    Attributes:
        activity: What was disturbed.
        fault: How.
        injected: How often.
        in_work: How often while it was at work; None where that is no question.
        survived: After how many the same command ended as an undisturbed run.
        note: What else is to be said.
    """

    activity: str
    fault: str
    injected: int
    in_work: int | None
    survived: int
    note: str = ""


ROWS: list[Row] = []


def record(
    activity: str, fault: str, *, injected: int = 1, in_work: int | None = None, survived: int = 1, note: str = ""
) -> None:
    """Add a line to the table; to be called where a test has passed, or with how many survived."""
    ROWS.append(Row(activity, fault, injected, in_work, survived, note))


def told(rows: Sequence[Row]) -> list[str]:
    """The table as lines of text."""
    head = ("activity", "fault", "injected", "in work", "survived", "")
    cells = [head] + [
        (row.activity, row.fault, f"{row.injected}", "" if row.in_work is None else f"{row.in_work}",
         f"{row.survived}", row.note)
        for row in rows
    ]  # fmt: skip
    widths = [max(len(line[k]) for line in cells) for k in range(len(head))]
    numbers = (2, 3, 4)
    return [
        "  ".join(cell.rjust(width) if k in numbers else cell.ljust(width) for k, (cell, width) in enumerate(
            zip(line, widths, strict=True)
        )).rstrip()
        for line in cells
    ]  # fmt: skip
