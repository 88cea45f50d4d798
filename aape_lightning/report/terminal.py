"""The main tables in the terminal, narrow enough for 80 columns."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aape_lightning.report import wording
from aape_lightning.report.cells import Row, percent, seconds
from aape_lightning.report.main_table import MainTable
from aape_lightning.report.methods import DEFAULT_REFERENCE

__all__ = ["plain_table", "print_tables", "two_lines"]

_CAPTION = (
    "Percent: mean ± half-width of the 95 % t-interval over seeds, and below it the sample sd. "
    "H of means (averages): harmonic mean of the two, as papers have it. Mean of H: mean of each run's H."
)


def print_tables(
    tables: Sequence[MainTable], *, console: Console | None = None, reference: str | None = DEFAULT_REFERENCE
) -> None:
    """Print one table a dataset, and their average last, where the eye rests.

    Args:
        tables: What `main_tables` returned.
        console: Where to print; standard output by default.
        reference: The method whose row stands out.
    """
    console = console or Console()
    for table in sorted(tables, key=lambda table: table.is_average):
        if table.summary:
            console.print(_table(table, reference))
        if table.is_average:
            console.print(*(Text(told) for told in table.caveats), sep="\n")
        console.print()
    marked = any(table.marked for table in tables)
    console.print(Text(f"{_CAPTION} {wording.MARK}." if marked else _CAPTION, style="dim"))


def plain_table(title: str) -> Table:
    """An empty table that takes little room; its first column is to fold before a number is cut."""
    # Padding on one side only: 80 columns are what many terminals have.
    return Table(
        title=Text(title),
        title_style="bold",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
        show_edge=False,
    )


def _table(table: MainTable, reference: str | None) -> Table:
    shown = plain_table(table.title)
    shown.add_column("Method", overflow="fold")
    heading = table.h_heading.replace("of ", "of\n")
    for name in ("Base", "New", heading, "Mean of H", *([] if table.is_average else ["Train"])):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in table.summary:
        shown.add_row(
            two_lines(table.label(str(row["method"])), f"{row['seeds']} seed{'s' if row['seeds'] != 1 else ''}"),
            _measured(row, "base_mean", "base"),
            _measured(row, "new_mean", "new"),
            percent(row["h_of_means"]),
            _measured(row, "mean_of_h", "mean_of_h"),
            *([] if table.is_average else [seconds(row["train_seconds"])]),
            style="bold" if row["method"] == reference else None,
        )
    return shown


def _measured(row: Row, mean: str, prefix: str) -> Text:
    first = f"{percent(row[mean])} ±{percent(row[f'{prefix}_interval'])}"
    return two_lines(first, f"sd {percent(row[f'{prefix}_sd'])}")


def two_lines(first: str, second: str) -> Text:
    """A cell with a quieter line below the first."""
    return Text(first).append(f"\n{second}", style="not bold dim")
