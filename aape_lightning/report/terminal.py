"""The main table in the terminal, narrow enough for 80 columns."""

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aape_lightning.report.cells import Row, percent, seconds
from aape_lightning.report.methods import DEFAULT_REFERENCE

__all__ = ["plain_table", "print_table", "two_lines"]

_CAPTION = (
    "Percent: mean ± half-width of the 95 % t-interval over seeds, and below it the sample sd. "
    "H of means: harmonic mean of the two means, as papers have it. Mean of H: mean of each seed's H."
)


def print_table(
    summary: pd.DataFrame, *, console: Console | None = None, reference: str | None = DEFAULT_REFERENCE
) -> None:
    """Print one table a dataset.

    Args:
        summary: What `summarize` returned.
        console: Where to print; standard output by default.
        reference: The method whose row stands out.
    """
    console = console or Console()
    for dataset, rows in summary.groupby("dataset", sort=False):
        console.print(_table(str(dataset), rows, reference))
        console.print()
    console.print(Text(_CAPTION, style="dim"))


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


def _table(dataset: str, rows: pd.DataFrame, reference: str | None) -> Table:
    table = plain_table(dataset)
    table.add_column("Method", overflow="fold")
    for name in ("Base", "New", "H of\nmeans", "Mean of H", "Train"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows.to_dict("records"):
        table.add_row(
            two_lines(str(row["method"]), f"{row['seeds']} seed{'s' if row['seeds'] != 1 else ''}"),
            _measured(row, "base_mean", "base"),
            _measured(row, "new_mean", "new"),
            percent(row["h_of_means"]),
            _measured(row, "mean_of_h", "mean_of_h"),
            seconds(row["train_seconds"]),
            style="bold" if row["method"] == reference else None,
        )
    return table


def _measured(row: Row, mean: str, prefix: str) -> Text:
    first = f"{percent(row[mean])} ±{percent(row[f'{prefix}_interval'])}"
    return two_lines(first, f"sd {percent(row[f'{prefix}_sd'])}")


def two_lines(first: str, second: str) -> Text:
    """A cell with a quieter line below the first."""
    return Text(first).append(f"\n{second}", style="not bold dim")
