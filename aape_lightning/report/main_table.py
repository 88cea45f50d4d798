"""The main tables of base-to-new results: the average over the datasets, where there are several, and one a dataset."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from aape_lightning.protocols.results import Result
from aape_lightning.report.averages import compare_averages, left_out, summarize_averages
from aape_lightning.report.caveats import caveats, reads_new_sentences
from aape_lightning.report.cells import Row
from aape_lightning.report.comparison import compare
from aape_lightning.report.methods import method_order
from aape_lightning.report.published import AVERAGE, Citations, Published, cite, published_for
from aape_lightning.report.runs import runs_by_dataset
from aape_lightning.report.scores import reportable
from aape_lightning.report.summary import summarize

__all__ = ["MainTable", "main_tables"]


@dataclass(frozen=True, kw_only=True)
class MainTable:
    """A table of base-to-new results, and what belongs beside it.

    Attributes:
        title: The dataset, or `Average over N datasets`.
        summary: Rows of `summarize`; of the average those of `summarize_averages`, with its `h_of_averages` as
            `h_of_means`.
        comparison: Rows of `compare`, or of `compare_averages`; none without a reference.
        by_dataset: Of the average, rows of `compare` for every dataset.
        marked: Methods that read sentences about the new classes at test time.
        published: Published numbers of the same setting.
        caveats: What to know about the runs.
        is_average: Whether it is the average over the datasets.
    """

    title: str
    summary: Sequence[Row]
    comparison: Sequence[Row] = ()
    by_dataset: Sequence[Row] = ()
    marked: frozenset[str] = frozenset()
    published: Sequence[Published] = ()
    caveats: Sequence[str] = ()
    is_average: bool = False

    @property
    def h_heading(self) -> str:
        """What the papers' H is the harmonic mean of."""
        return "H of averages" if self.is_average else "H of means"

    @cached_property
    def citations(self) -> Citations:
        """Labels and footnotes of the published numbers."""
        return cite(self.published)

    @property
    def compared(self) -> list[str]:
        """The methods in `by_dataset`, in order of display."""
        return method_order(str(row["method"]) for row in self.by_dataset)

    @property
    def differences(self) -> dict[str, dict[str, Row]]:
        """The rows of `by_dataset`, by dataset and method."""
        found: dict[str, dict[str, Row]] = {}
        for row in self.by_dataset:
            found.setdefault(str(row["dataset"]), {})[str(row["method"])] = row
        return found

    def label(self, method: str) -> str:
        """A method with its mark."""
        return f"{method}†" if method in self.marked else method


def main_tables(results: Sequence[Result], reference: str | None) -> list[MainTable]:
    """One table a dataset, and before them their average where there are several.

    Args:
        results: Base-to-new results; others are left out.
        reference: The method that the others are compared with, if any.

    Raises:
        ResultError: If the results do not belong in one table, or none is of the reference method.
    """
    results = reportable(results)
    published = published_for(results)
    summary = summarize(results)
    comparison = None if reference is None else compare(results, reference)
    tables = [
        MainTable(
            title=dataset,
            summary=_rows(summary, dataset),
            comparison=_rows(comparison, dataset),
            marked=_marked(runs),
            published=[row for row in published if row.dataset == dataset],
            caveats=caveats(runs),
        )
        for dataset, runs in runs_by_dataset(results).items()
    ]
    average = [_average(results, reference, comparison, published)] if len(tables) > 1 else []
    return [*average, *tables]


def _average(
    results: Sequence[Result], reference: str | None, comparison: pd.DataFrame | None, published: Sequence[Published]
) -> MainTable:
    paired = None if reference is None else compare_averages(results, reference)
    return MainTable(
        title=f"Average over {len(runs_by_dataset(results))} datasets",
        summary=_rows(summarize_averages(results).rename(columns={"h_of_averages": "h_of_means"})),
        comparison=_rows(paired),
        by_dataset=_rows(comparison),
        marked=_marked(results),
        published=[row for row in published if row.dataset == AVERAGE],
        caveats=left_out(results),
        is_average=True,
    )


def _rows(frame: pd.DataFrame | None, dataset: str | None = None) -> Sequence[Row]:
    if frame is None:
        return []
    return (frame if dataset is None else frame[frame["dataset"] == dataset]).to_dict("records")


def _marked(runs: Sequence[Result]) -> frozenset[str]:
    return frozenset(run.method for run in runs if reads_new_sentences(run))
