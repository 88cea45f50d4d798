"""The train-test protocol's tables in the terminal: the metrics that matter most, as many as there is room for."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as TerminalTable
from rich.text import Text

from aape_lightning.report.statistics import MeanInterval
from aape_lightning.report.terminal import plain_table, two_lines
from aape_lightning.report.train_test import wording
from aape_lightning.report.train_test.study import Study
from aape_lightning.report.train_test.tables import Column, Table

__all__ = ["print_tables"]

_NAME_WIDTH, _COLUMN_WIDTH = 20, 13  # what a method's name and a mean with its interval take
_CAPTION = "Mean ± half-width of the 95 % t-interval over seeds, and below it the sample sd."


def print_tables(studies: Sequence[Study], *, console: Console | None = None) -> None:
    """Print the main tables of each dataset, and say what is left to the report.

    Args:
        studies: One a dataset.
        console: Where to print; standard output by default.
    """
    console = console or Console()
    for study in studies:
        console.print(Text(study.dataset, style="bold underline"))
        for table in study.tables:
            console.print(_table(table, study.reference, _main_columns(table, console.width)))
            console.print()
    units = wording.units(column.name for study in studies for table in study.tables for column in table.columns)
    console.print(Text(f"{_CAPTION} {units}{_left_out(studies, console.width)}", style="dim"))


def _main_columns(table: Table, width: int) -> list[int]:
    main = [place for place, column in enumerate(table.columns) if not column.parsed.is_minor]
    return (main or list(range(len(table.columns))))[: max(1, (width - _NAME_WIDTH) // _COLUMN_WIDTH)]


def _left_out(studies: Sequence[Study], width: int) -> str:
    """What the terminal does not show, by the names of tables and metrics."""
    left: dict[str, None] = {}
    for study in studies:
        for table in study.tables:
            main = _main_columns(table, width)
            left |= {column.heading: None for place, column in enumerate(table.columns) if place not in main}
        left |= {table.title.partition(",")[0]: None for table in study.further_tables}
        left |= {breakdown.title: None for breakdown in study.breakdowns}
    return f" In the report alone: {', '.join(left)}." if left else ""


def _table(table: Table, reference: str, columns: Sequence[int]) -> TerminalTable:
    terminal = plain_table(table.title)
    terminal.add_column("Method", overflow="fold")
    for place in columns:
        heading = Text(table.columns[place].heading.replace(" ", "\n"))  # a tokeniser's brackets are no markup
        terminal.add_column(heading, justify="right", no_wrap=True)
    for method, means in table.rows.items():
        seeds = table.seeds(method)
        terminal.add_row(
            two_lines(method, f"{seeds} seed{'s' if seeds != 1 else ''}"),
            *(_cell(table.columns[place], means[place]) for place in columns),
            style="bold" if method == reference else None,
        )
    return terminal


def _cell(column: Column, mean: MeanInterval) -> Text:
    scale = column.scale
    return two_lines(scale.with_interval(mean.mean, mean.half_width).replace("± ", "±"), f"sd {scale.number(mean.sd)}")
