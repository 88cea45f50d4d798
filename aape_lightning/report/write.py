"""`aape report`: every result under a folder -> tables, figures and the page."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import pandas as pd
from rich.console import Console

from aape_lightning import __version__
from aape_lightning.files import atomic_path, write_text
from aape_lightning.protocols.results import Result, read_results
from aape_lightning.report.about import command, facts
from aape_lightning.report.caveats import caveats, reads_new_sentences
from aape_lightning.report.cells import Row
from aape_lightning.report.comparison import compare
from aape_lightning.report.diagnostics import attention_shares, cosines
from aape_lightning.report.figures import DARK, LIGHT, Drawing, dataset_figures
from aape_lightning.report.methods import choose_reference
from aape_lightning.report.page import Picture, Section, picture, render_page
from aape_lightning.report.scores import reportable
from aape_lightning.report.summary import summarize
from aape_lightning.report.tables import csv_table, markdown_tables
from aape_lightning.report.terminal import print_table

__all__ = ["write_report"]

_NAMED = 3  # datasets in the heading; beyond, how many there are


def write_report(folder: Path, *, reference: str | None = None, console: Console | None = None) -> Path:
    """Report on every base-to-new result under a folder.

    Writes `report.html` (one file that needs no other), `table.md`, `table.csv` and `figures/*.png` and `*.svg` into
    the folder, and prints the table.

    Args:
        folder: The results, as a protocol's `--out`.
        reference: The method that the others are compared with; `aape` by default, where it has results.
        console: Where to print the table; standard output by default.

    Returns:
        The page's path.

    Raises:
        ResultError: If the folder holds no base-to-new result, a malformed one, results that do not belong in one
            table, or none of the reference method.
    """
    results = reportable(read_results(folder))
    reference = choose_reference((result.method for result in results), reference)
    summary = summarize(results)
    comparison = None if reference is None else compare(results, reference)
    by_dataset = {dataset: list(runs) for dataset, runs in groupby(results, key=lambda result: result.dataset)}
    sections = []
    for dataset, runs in by_dataset.items():
        pictures = [_write_figure(drawing, folder / "figures") for drawing in dataset_figures(runs, reference)]
        sections.append(_section(runs, folder, _rows(summary, dataset), _rows(comparison, dataset), pictures))
    write_text(folder / "table.csv", csv_table(summary))
    told = {section.dataset: section.caveats for section in sections}
    write_text(folder / "table.md", markdown_tables(summary, comparison, told))
    page = folder / "report.html"
    write_text(page, render_page(_title(results), sections, reference, __version__))
    print_table(summary, console=console, reference=reference)
    return page


def _write_figure(drawing: Drawing, folder: Path) -> Picture:
    light = drawing.render(LIGHT, "svg")
    for kind, content in (("svg", light), ("png", drawing.render(LIGHT, "png"))):
        with atomic_path(folder / f"{drawing.name}.{kind}") as path:
            path.write_bytes(content)
    return picture(drawing, light, drawing.render(DARK, "svg"))


def _section(
    runs: Sequence[Result],
    folder: Path,
    summary: Sequence[Row],
    comparison: Sequence[Row],
    pictures: Sequence[Picture],
) -> Section:
    return Section(
        dataset=runs[0].dataset,
        facts=facts(runs),
        command=command(runs, folder),
        caveats=caveats(runs),
        marked=frozenset(run.method for run in runs if reads_new_sentences(run)),
        summary=summary,
        comparison=comparison,
        cosines=cosines(runs),
        attention=attention_shares(runs),
        pictures=pictures,
    )


def _rows(frame: pd.DataFrame | None, dataset: str) -> Sequence[Row]:
    return [] if frame is None else frame[frame["dataset"] == dataset].to_dict("records")


def _title(results: Sequence[Result]) -> str:
    protocols = ", ".join(sorted({result.protocol for result in results}))
    datasets = sorted({result.dataset for result in results})
    return f"{protocols}: {', '.join(datasets) if len(datasets) <= _NAMED else f'{len(datasets)} datasets'}"
