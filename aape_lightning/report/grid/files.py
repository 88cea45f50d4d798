"""The grids as files: every mean in long form in CSV, the tables in Markdown."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pandas as pd

from aape_lightning.report.grid import wording
from aape_lightning.report.grid.cited import cited
from aape_lightning.report.grid.panels import Panel
from aape_lightning.report.grid.settings import value_text
from aape_lightning.report.grid.study import GridStudy
from aape_lightning.report.markdown import escaped, pipe_table
from aape_lightning.report.train_test.files import differences_table, results_table
from aape_lightning.report.train_test.tables import Table

__all__ = ["grid_csv", "grid_markdown"]


def grid_csv(studies: Iterable[GridStudy]) -> str:
    """One row a dataset, method, setting and metric, at full precision.

    Columns `dataset`, `method`, one for each varied key, `metric`, `seeds` (how many), `mean`, `sd`, `interval`
    (half-width); `reference`, `pairs` (seeds that both methods have), `difference` (of the reference from the method)
    and `difference_interval`. An empty field where there are too few seeds, or nothing to compare.
    """
    rows = [row for study in studies for panel in study.panels for row in _csv_rows(study, panel)]
    frame = pd.DataFrame(rows)
    first = ["dataset", "method", *dict.fromkeys(key for row in rows for key in row if "." in key)]
    frame = frame[[*first, *(name for name in frame if name not in first)]]  # of several sweeps some lack a key
    return frame.to_csv(index=False, lineterminator="\n")


def _csv_rows(study: GridStudy, panel: Panel) -> Iterator[dict[str, object]]:
    table = study.table(panel)
    for method, means in table.rows.items():
        for place, (column, found) in enumerate(zip(panel.columns, means, strict=True)):
            if found.count:
                setting = {key: value_text(value) for key, value in column.setting.items()}
                row = {"dataset": study.dataset, "method": method, **setting, "metric": column.metric}
                mean = {"seeds": found.count, "mean": found.mean, "sd": found.sd, "interval": found.half_width}
                yield row | mean | _csv_difference(study, table, method, place)


def _csv_difference(study: GridStudy, table: Table, method: str, place: int) -> dict[str, object]:
    if method not in table.differences:
        return {"reference": "", "pairs": "", "difference": math.nan, "difference_interval": math.nan}
    between = table.differences[method][place].difference
    return {
        "reference": study.reference,
        "pairs": between.count,
        "difference": between.mean,
        "difference_interval": between.half_width,
    }


def grid_markdown(studies: Sequence[GridStudy], told: Mapping[str, Sequence[str]]) -> str:
    """One section a grid: results, paired comparisons, what to know about the runs.

    Args:
        studies: The averages first, then one a dataset.
        told: Sentences for each, by its name.
    """
    parts = [part for study in studies for part in _section(study, told.get(study.dataset, ()))]
    names = {column.name for study in studies for panel in study.panels for column in panel.columns}
    compared = any(panel.compared for study in studies for panel in study.panels)
    notes = [wording.units(names), wording.MEAN, *([wording.DIFFERENCE] if compared else [])]
    return "\n\n".join([*parts, "## Notes", *notes]) + "\n"


def _section(study: GridStudy, told: Sequence[str]) -> Iterator[str]:
    yield f"## {escaped(study.dataset)}"
    published = cited(study)
    for order, table in enumerate(map(study.labelled, (*study.tables, *study.further_tables))):
        yield f"### {escaped(table.title)}"
        yield results_table(table)
        if order == 0 and published.rows:
            yield "Published numbers in this setting:"
            yield pipe_table(["Method", *(column.heading for column in table.columns)], published.lines)
            yield from (escaped(note) for note in published.notes)
        if table.differences:
            yield f"{escaped(study.reference)} minus the other method, seed by seed:"
            yield differences_table(table)
    yield from (f"* {escaped(sentence)}" for sentence in told)
