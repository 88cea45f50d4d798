"""The main tables as files: CSV at full precision, Markdown for reading."""

from collections.abc import Iterable, Sequence

import pandas as pd

from aape_lightning.report import wording
from aape_lightning.report.cells import ABSENT, Row, percent, seconds, signed, with_interval
from aape_lightning.report.main_table import MainTable
from aape_lightning.report.markdown import escaped, pipe_table
from aape_lightning.report.published import Published

__all__ = ["csv_table", "markdown_tables"]

_PAIRED = ("Compared with", "Pairs", "H", "Base", "New", "H: interval excludes 0")
_METRICS = {"h": "H of each seed", "base": "Base", "new": "New"}


def csv_table(frame: pd.DataFrame) -> str:
    """Fractions at full precision, an empty field where there are too few seeds."""
    return frame.to_csv(index=False, lineterminator="\n")


def markdown_tables(tables: Sequence[MainTable]) -> str:
    """One section a table: results with published numbers, paired comparison, what to know about the runs."""
    parts = [part for table in tables for part in _section(table)]
    notes = [wording.INTERVAL, wording.H_OF_MEANS, wording.MEAN_OF_H]
    notes += [wording.AVERAGE] if any(table.is_average for table in tables) else []
    notes += [wording.DIFFERENCE] if any(table.comparison for table in tables) else []
    return "\n\n".join([*parts, "## Notes", *notes, wording.SEEDS_ONLY]) + "\n"


def _section(table: MainTable) -> Iterable[str]:
    yield f"## {escaped(table.title)}"
    if table.summary:
        yield pipe_table(_head(table), [*_own_rows(table), *_published_rows(table)])
    yield from (f"* {escaped(note)}" for note in table.citations.notes)
    if table.comparison:
        yield f"{_reference(table.comparison)} minus the other method, seed by seed:"
        yield pipe_table(_PAIRED, [_paired_row(table, row) for row in table.comparison])
    for metric, name in _METRICS.items() if table.by_dataset else ():
        yield f"{name}, {_reference(table.by_dataset)} minus the other method on each dataset:"
        yield _by_dataset(table, metric)
    yield from (f"* {escaped(caveat)}" for caveat in table.caveats)


def _reference(comparison: Sequence[Row]) -> str:
    return escaped(str(comparison[0]["reference"]))


def _head(table: MainTable) -> list[str]:
    measured = ["Base", "sd (base)", "New", "sd (new)", table.h_heading, "Mean of H", "sd (mean of H)"]
    return ["Method", "Seeds", *measured, *([] if table.is_average else ["Train"])]


def _own_rows(table: MainTable) -> Iterable[list[str]]:
    for row in table.summary:
        cells = [table.label(str(row["method"])), str(row["seeds"])]
        for metric in ("base", "new"):
            cells += [with_interval(row[f"{metric}_mean"], row[f"{metric}_interval"]), percent(row[f"{metric}_sd"])]
        cells += [percent(row["h_of_means"]), with_interval(row["mean_of_h"], row["mean_of_h_interval"])]
        yield [*cells, percent(row["mean_of_h_sd"]), *([] if table.is_average else [seconds(row["train_seconds"])])]


def _published_rows(table: MainTable) -> Iterable[list[str]]:
    for label, row in zip(table.citations.labels, table.published, strict=True):
        base, new, h = (percent(row.fraction(name)) for name in ("base/accuracy", "new/accuracy", "h"))
        cells = [label, _seeds(row), base, ABSENT, new, ABSENT, h, ABSENT, ABSENT]
        yield [*cells, *([] if table.is_average else [ABSENT])]


def _seeds(row: Published) -> str:
    return ABSENT if row.seeds is None else str(row.seeds)


def _paired_row(table: MainTable, row: Row) -> list[str]:
    differences = [_difference(row, metric) for metric in _METRICS]
    excludes = row["h_excludes_zero"]
    cells = [table.label(str(row["method"])), str(row["pairs"]), *differences]
    return [*cells, ABSENT if pd.isna(excludes) else ("yes" if excludes else "no")]


def _difference(row: Row, metric: str) -> str:
    return signed(row[f"{metric}_difference"], row[f"{metric}_interval"])


def _by_dataset(table: MainTable, metric: str) -> str:
    rows = [
        [dataset, *(_difference(found[method], metric) if method in found else ABSENT for method in table.compared)]
        for dataset, found in table.differences.items()
    ]
    return pipe_table(["Dataset", *map(table.label, table.compared)], rows)
