"""The tables as files: `table.csv` at full precision, `table.md` for reading."""

from collections.abc import Mapping, Sequence

import pandas as pd

from aape_lightning.report import wording
from aape_lightning.report.cells import ABSENT, Row, percent, seconds, signed, with_interval
from aape_lightning.report.markdown import escaped, pipe_table

__all__ = ["csv_table", "markdown_tables"]

_MAIN = (
    "Method",
    "Seeds",
    "Base",
    "sd (base)",
    "New",
    "sd (new)",
    "H of means",
    "Mean of H",
    "sd (mean of H)",
    "Train",
)
_PAIRED = ("Compared with", "Pairs", "H", "Base", "New", "H: interval excludes 0")


def csv_table(summary: pd.DataFrame) -> str:
    """Fractions at full precision, an empty field where there are too few seeds."""
    return summary.to_csv(index=False, lineterminator="\n")


def markdown_tables(
    summary: pd.DataFrame, comparison: pd.DataFrame | None, caveats: Mapping[str, Sequence[str]]
) -> str:
    """One section a dataset: results, paired comparison, what to know about the runs.

    Args:
        summary: What `summarize` returned.
        comparison: What `compare` returned, where there is a reference method.
        caveats: Sentences for each dataset.
    """
    parts = []
    for dataset, rows in summary.groupby("dataset", sort=False):
        parts += [f"## {escaped(str(dataset))}", pipe_table(_MAIN, map(_main_row, rows.to_dict("records")))]
        paired = None if comparison is None else comparison[comparison["dataset"] == dataset]
        if paired is not None and len(paired):
            reference = escaped(str(paired["reference"].iloc[0]))
            parts.append(f"{reference} minus the other method, seed by seed:")
            parts.append(pipe_table(_PAIRED, map(_paired_row, paired.to_dict("records"))))
        parts += [f"* {escaped(caveat)}" for caveat in caveats.get(str(dataset), ())]
    notes = [wording.INTERVAL, wording.H_OF_MEANS, wording.MEAN_OF_H]
    notes += [] if comparison is None else [wording.DIFFERENCE]
    return "\n\n".join([*parts, "## Notes", *notes, wording.SEEDS_ONLY]) + "\n"


def _main_row(row: Row) -> list[str]:
    cells = [str(row["method"]), str(row["seeds"])]
    for metric in ("base", "new"):
        cells += [with_interval(row[f"{metric}_mean"], row[f"{metric}_interval"]), percent(row[f"{metric}_sd"])]
    cells += [percent(row["h_of_means"]), with_interval(row["mean_of_h"], row["mean_of_h_interval"])]
    return [*cells, percent(row["mean_of_h_sd"]), seconds(row["train_seconds"])]


def _paired_row(row: Row) -> list[str]:
    differences = [signed(row[f"{metric}_difference"], row[f"{metric}_interval"]) for metric in ("h", "base", "new")]
    excludes = row["h_excludes_zero"]
    return [
        str(row["method"]),
        str(row["pairs"]),
        *differences,
        ABSENT if pd.isna(excludes) else ("yes" if excludes else "no"),
    ]
