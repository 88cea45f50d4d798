"""The main tables of grids in the terminal, cut into parts that fit its width."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as TerminalTable
from rich.text import Text

from aape_lightning.protocols.results import Result
from aape_lightning.report.grid import wording
from aape_lightning.report.grid.studies import Grids, grids
from aape_lightning.report.grid.study import GridStudy
from aape_lightning.report.statistics import MeanInterval
from aape_lightning.report.terminal import plain_table, two_lines
from aape_lightning.report.train_test.metric_names import Scale
from aape_lightning.report.train_test.tables import Table

__all__ = ["print_grid", "print_grids"]

_CAPTION = "Mean, and below it the half-width of the 95 % t-interval over seeds."
_LONGEST_HEADING = 12
_GAP = 2  # between two columns


def print_grid(found: Sequence[tuple[Path, Result]]) -> None:
    """Print the main tables of every grid.

    Args:
        found: Results with the folders that they lie in, as `find_results` gives them.

    Raises:
        ResultError: If results do not belong in one grid.
    """
    print_grids(grids(result for _, result in found))


def print_grids(found: Sequence[Grids], console: Console | None = None) -> None:
    """Print the main tables, averages first.

    Args:
        found: The grids.
        console: Where to print; standard output by default.
    """
    console = console or Console()
    studies = [study for one in found for study in ([one.average] if one.average else []) + list(one.studies)]
    for study in studies:
        console.print(Text(study.dataset, style="bold underline"))
        for table in study.tables:
            for part in _parts(study.labelled(table), study, console.width):
                console.print(part)
                console.print()
    names = [column.name for study in studies for table in study.tables for column in table.columns]
    told = [_CAPTION, wording.units(names), *dict.fromkeys(note for study in studies for note in study.mark_notes)]
    console.print(Text(f"{' '.join(told)}{_left_out(studies)}", style="dim"))


def _left_out(studies: Sequence[GridStudy]) -> str:
    left = dict.fromkeys(table.title for study in studies for table in study.further_tables)
    return f" In the report alone: {'; '.join(left)}." if left else ""


def _parts(table: Table, study: GridStudy, width: int) -> Iterator[TerminalTable]:
    """The table, or several with as many columns each as there is room for."""
    first = max(len(line) for method in table.rows for line in (method, "10 seeds")) + _GAP
    widths = [_width(table, place) + _GAP for place in range(len(table.columns))]
    start = 0
    while start < len(widths):
        end = start + 1
        while end < len(widths) and first + sum(widths[start : end + 1]) <= width:
            end += 1
        yield _part(table, study, range(start, end))
        start = end


def _width(table: Table, place: int) -> int:
    cells = [_cell(table.columns[place].scale, row[place]).plain for row in table.rows.values()]
    heading = _heading(table, place).plain
    return max(len(line) for text in (*cells, heading) for line in text.split("\n"))


def _heading(table: Table, place: int) -> Text:
    """A heading on as many lines as keep its column narrow."""
    words = table.columns[place].heading.replace("_", "_ ")  # names are broken behind these too
    return Text("\n".join(textwrap.wrap(words, _LONGEST_HEADING)).replace("_ ", "_"))


def _part(table: Table, study: GridStudy, places: range) -> TerminalTable:
    terminal = plain_table(table.title)
    terminal.add_column("Method", overflow="fold")
    for place in places:
        terminal.add_column(_heading(table, place), justify="right", no_wrap=True)
    for method, means in table.rows.items():
        terminal.add_row(
            two_lines(method, f"{table.seeds(method)} seed{'s' if table.seeds(method) != 1 else ''}"),
            *(_cell(table.columns[place].scale, means[place]) for place in places),
            style="bold" if method == study.label(study.reference) else None,
        )
    return terminal


def _cell(scale: Scale, mean: MeanInterval) -> Text:
    value, _, half_width = scale.with_interval(mean.mean, mean.half_width).partition(" ± ")
    return two_lines(value, f"±{half_width}") if half_width else Text(value)
