"""Published numbers beside a grid's main table, column by column."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from aape_lightning.protocols.names import FEW_SHOT, TRANSFERS
from aape_lightning.report.cells import percent
from aape_lightning.report.grid.panels import GridColumn
from aape_lightning.report.grid.study import GridStudy
from aape_lightning.report.published import AVERAGE, Published, cite, published_for

__all__ = ["Cited", "cited"]


@dataclass(frozen=True)
class Cited:
    """Rows of published numbers.

    Attributes:
        rows: Fractions by column, NaN where none was published; by label, which names the source's footnote.
        notes: The footnotes.
    """

    rows: dict[str, list[float]]
    notes: Sequence[str]

    @property
    def lines(self) -> list[list[str]]:
        """The rows as text: label, and percent by column."""
        return [[label, *map(percent, values)] for label, values in self.rows.items()]


def cited(study: GridStudy) -> Cited:
    """What was published in the setting of a grid's first table; no rows where nothing was, or it is not the same.

    Args:
        study: The runs of one dataset, or their average.
    """
    if study.protocol not in (FEW_SHOT, *TRANSFERS):
        return Cited({}, [])
    columns = study.panels[0].columns
    by_row: dict[tuple[str, str, bool, bool], list[Published]] = {}
    for row in published_for(study.runs):
        if (row.dataset == AVERAGE) == study.is_average:
            by_row.setdefault((row.method, row.source, row.transductive, row.test_seeing), []).append(row)
    found = [(rows[0], [_value(rows, column) for column in columns]) for rows in by_row.values()]
    found = [(row, values) for row, values in found if not all(map(math.isnan, values))]
    citations = cite([row for row, _ in found])
    return Cited({label: values for label, (_, values) in zip(citations.labels, found, strict=True)}, citations.notes)


def _value(rows: Sequence[Published], column: GridColumn) -> float:
    """A column's number; one measured without training images holds for any number of them."""
    fitting = [row for row in rows if not column.setting or row.shots in (column.at, "none")]
    name = column.metric
    return next((row.fraction(name) for row in fitting if not math.isnan(row.fraction(name))), math.nan)
