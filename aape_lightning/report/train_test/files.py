"""The train-test protocol's tables as files: every value and every mean in CSV, the tables in Markdown."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from aape_lightning.protocols.results import Result
from aape_lightning.report.markdown import escaped, pipe_table
from aape_lightning.report.statistics import MeanInterval
from aape_lightning.report.train_test import wording
from aape_lightning.report.train_test.study import Study
from aape_lightning.report.train_test.tables import Breakdown, Column, Table
from aape_lightning.report.train_test.values import Paired, mean_of, paired

__all__ = ["differences_table", "markdown_tables", "results_table", "runs_csv", "table_csv"]


def runs_csv(results: Sequence[Result]) -> str:
    """One row a run and metric, at full precision: dataset, method, seed, metric, value."""
    rows = [
        {"dataset": run.dataset, "method": run.method, "seed": run.seed, "metric": name, "value": value}
        for run in results
        for name, value in sorted(run.metrics.items())
    ]
    return pd.DataFrame(rows).to_csv(index=False, lineterminator="\n")


def table_csv(studies: Sequence[Study]) -> str:
    """One row a method and metric, at full precision.

    Columns `dataset`, `method`, `metric`, `seeds`, `mean`, `sd`, `interval` (half-width); `reference`, `pairs` (seeds
    that both methods have), `difference` (of the reference from the method) and `difference_interval`. An empty field
    where there are too few seeds, or nothing to compare.
    """
    rows = [
        _csv_row(study, method, name) for study in studies for method in study.methods for name in sorted(study.values)
    ]
    return pd.DataFrame([row for row in rows if row["seeds"]]).to_csv(index=False, lineterminator="\n")


def _csv_row(study: Study, method: str, name: str) -> dict[str, object]:
    mean = mean_of(study.values, name, method)
    row = {"dataset": study.dataset, "method": method, "metric": name, "seeds": mean.count, "mean": mean.mean}
    compared = method != study.reference
    between = paired(study.values, name, method, study.reference).difference
    return row | {
        "sd": mean.sd,
        "interval": mean.half_width,
        "reference": study.reference if compared else "",
        "pairs": between.count if compared else "",
        "difference": between.mean if compared else math.nan,
        "difference_interval": between.half_width if compared else math.nan,
    }


def markdown_tables(studies: Sequence[Study], caveats: Mapping[str, Sequence[str]]) -> str:
    """One section a dataset: results, paired comparisons, breakdowns, what to know about the runs.

    Args:
        studies: One a dataset.
        caveats: Sentences for each dataset.
    """
    parts = []
    for study in studies:
        parts.append(f"## {escaped(study.dataset)}")
        for table in (*study.tables, *study.further_tables):
            parts += [f"### {escaped(table.title)}", results_table(table)]
            if table.differences:
                parts += [f"{escaped(study.reference)} minus the other method, seed by seed:", differences_table(table)]
        for breakdown in study.breakdowns:
            parts += [f"### {escaped(breakdown.title)}", _breakdown(breakdown)]
        parts += [f"* {escaped(caveat)}" for caveat in caveats.get(study.dataset, ())]
    names = {name for study in studies for name in study.values}
    return "\n\n".join([*parts, "## Notes", wording.units(names), wording.MEAN, wording.DIFFERENCE]) + "\n"


def results_table(table: Table) -> str:
    """A table's means in Markdown, with intervals and sample deviations."""
    rows = [
        [
            method,
            str(table.seeds(method)),
            *(_mean(column, found) for column, found in zip(table.columns, row, strict=True)),
        ]
        for method, row in table.rows.items()
    ]
    return pipe_table(["Method", "Seeds", *(column.heading for column in table.columns)], rows)


def differences_table(table: Table) -> str:
    """A table's paired differences in Markdown, each with which way its interval points."""
    rows = [
        [method, *(_difference(column, found) for column, found in zip(table.columns, row, strict=True))]
        for method, row in table.differences.items()
    ]
    return pipe_table(["Compared with", *(column.heading for column in table.columns)], rows)


def _difference(column: Column, found: Paired) -> str:
    between, scale = found.difference, column.scale
    told = wording.verdict(between.mean, between.excludes_zero, scale.lower_is_better)
    return f"{scale.signed(between.mean, between.half_width)} ({told})"


def _mean(column: Column, found: MeanInterval) -> str:
    deviation = column.scale.deviation(found.sd)
    return column.scale.with_interval(found.mean, found.half_width) + (f" ({deviation})" if deviation else "")


def _breakdown(breakdown: Breakdown) -> str:
    rows = [
        [condition, kind, *(breakdown.scale.with_interval(found.mean, found.half_width) for found in means)]
        for condition, kind, means in breakdown.rows
    ]
    return pipe_table(["Condition", "Kind", *breakdown.methods], rows)
