"""The main tables in LaTeX: datasets as blocks, methods as rows."""

from collections.abc import Iterable, Iterator, Sequence

from aape_lightning.report import wording
from aape_lightning.report.cells import ABSENT, percent, with_interval
from aape_lightning.report.latex import latex_table
from aape_lightning.report.main_table import MainTable
from aape_lightning.report.published import Published, cite

__all__ = ["latex_tables"]

_ROWS = 45  # what one page holds
_MEASURED = (
    "Base-to-new generalization: accuracy in percent, mean ± half-width of the 95 % t-interval over seeds; the best of "
    "several methods in bold."
)
_OF_ONE = "H of means: harmonic mean of the two means; mean of H: mean of each seed's own H."
_AVERAGE = (
    "H of averages: harmonic mean of the averaged base and new accuracy; mean of H: mean over datasets and seeds of "
    "each one's own H."
)
_PUBLISHED = "Rows with a source in brackets are published numbers."


def latex_tables(tables: Sequence[MainTable]) -> str:
    """Floats for a paper, as few as pages can hold; the best of our values in each block and column is bold."""
    parts = ["% Needs \\usepackage{booktabs}."]
    for number, blocks in enumerate(_floats(tables), start=1):
        parts.append(_float(blocks, f"base-to-new-{number}"))
    return "\n\n".join(parts) + "\n"


def _floats(tables: Sequence[MainTable]) -> Iterator[list[MainTable]]:
    """The average in a float of its own, datasets together as long as they fit; no block is cut."""
    pending: list[MainTable] = []
    for table in tables:
        full = sum(map(_length, [*pending, table])) > _ROWS
        if pending and (full or pending[-1].is_average):
            yield pending
            pending = []
        pending.append(table)
    yield pending


def _length(table: MainTable) -> int:
    return 1 + len(table.summary) + len(table.published)


def _float(tables: Sequence[MainTable], label: str) -> str:
    rows: list[list[str]] = []
    headings: dict[int, str] = {}
    bold: set[tuple[int, int]] = set()
    published = [row for table in tables for row in table.published]
    citations = cite(published)  # over all blocks: they share one caption
    labels = iter(citations.short)
    for table in tables:
        headings[len(rows)] = table.title
        bold |= {(len(rows) + row, column) for row, column in _best(table)}
        rows += [*_own_rows(table), *(_published_row(next(labels), row) for row in table.published)]
    return latex_table(
        ["Method", "Base", "New", tables[0].h_heading, "Mean of H"],
        rows,
        caption=" ".join([*_caption(tables), *([_PUBLISHED, *citations.sources] if published else [])]),
        label=label,
        bold=bold,
        headings=headings,
    )


def _caption(tables: Sequence[MainTable]) -> Iterable[str]:
    yield _MEASURED
    yield _AVERAGE if tables[0].is_average else _OF_ONE
    if any(table.marked for table in tables):
        yield f"{wording.MARK}."


def _own_rows(table: MainTable) -> Iterable[list[str]]:
    for row in table.summary:
        measured = [with_interval(row[f"{name}_mean"], row[f"{name}_interval"]) for name in ("base", "new")]
        h = [percent(row["h_of_means"]), with_interval(row["mean_of_h"], row["mean_of_h_interval"])]
        yield [table.label(str(row["method"])), *measured, *h]


def _published_row(label: str, row: Published) -> list[str]:
    return [label, *(percent(row.fraction(name)) for name in ("base/accuracy", "new/accuracy", "h")), ABSENT]


def _best(table: MainTable) -> Iterator[tuple[int, int]]:
    """Places of the best of several methods, all of those that print alike."""
    for column, name in enumerate(("base_mean", "new_mean", "h_of_means", "mean_of_h"), start=1):
        shown = [percent(row[name]) for row in table.summary]
        best = percent(max((row[name] for row in table.summary), default=0.0))
        yield from ((row, column) for row, text in enumerate(shown) if text == best and len(shown) > 1)
