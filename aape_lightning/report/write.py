"""`aape report`: every result under a folder -> tables, figures and the page."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console

from aape_lightning.errors import ResultError
from aape_lightning.files import write_text
from aape_lightning.protocols.names import BASE_TO_NEW, TRAIN_TEST
from aape_lightning.protocols.results import Result, find_results
from aape_lightning.report import wording
from aape_lightning.report.about import command, facts, title
from aape_lightning.report.caveats import caveats, reads_new_sentences
from aape_lightning.report.cells import Row
from aape_lightning.report.comparison import compare
from aape_lightning.report.diagnostics import attention_shares, cosines
from aape_lightning.report.figures import dataset_figures, write_figure
from aape_lightning.report.methods import choose_reference
from aape_lightning.report.page import BaseToNewSection, Picture, picture, render_page
from aape_lightning.report.runs import runs_by_dataset
from aape_lightning.report.scores import reportable
from aape_lightning.report.summary import summarize
from aape_lightning.report.tables import csv_table, markdown_tables
from aape_lightning.report.terminal import print_table
from aape_lightning.report.train_test.study import studies
from aape_lightning.report.train_test.terminal import print_tables
from aape_lightning.report.train_test.write import write_train_test

__all__ = ["print_results", "write_report"]


def write_report(folder: Path, *, reference: str | None = None, console: Console | None = None) -> Path:
    """Report on every result of a protocol under a folder.

    Writes `report.html` (one file that needs no other), `table.md`, `table.csv` and `figures/*.png` and `*.svg` into
    the folder, for the train-test protocol also `runs.csv`, and prints the table.

    Args:
        folder: The results, as a protocol's `--out`.
        reference: The method that the others are compared with; `aape` by default, where it has results.
        console: Where to print the table; standard output by default.

    Returns:
        The page's path.

    Raises:
        ResultError: If the folder holds no result of a protocol, those of two, a malformed one, results that do not
            belong in one table, or none of the reference method.
    """
    found = find_results(folder)
    if _is_train_test(found, folder):
        return write_train_test(folder, found, reference=reference, console=console)
    return _write_base_to_new(folder, [result for _, result in found], reference=reference, console=console)


def print_results(folder: Path) -> None:
    """Print the tables of every result of a protocol under a folder.

    Raises:
        ResultError: As `write_report`.
    """
    found = find_results(folder)
    results = [result for _, result in found]
    if _is_train_test(found, folder):
        print_tables(studies(results))
    else:
        print_table(summarize(results))


def _is_train_test(found: Sequence[tuple[Path, Result]], folder: Path) -> bool:
    """Whether the results are of the train-test protocol.

    Raises:
        ResultError: If there are results of the base-to-new protocol beside them.
    """
    example = {result.protocol: place for place, result in found if result.protocol in (BASE_TO_NEW, TRAIN_TEST)}
    if len(example) > 1:
        places = ", ".join(f"{name} (such as {str(place.relative_to(folder))!r})" for name, place in example.items())
        raise ResultError(
            f"{str(folder)!r} holds results of two protocols: {places}. Report on the folder of each: aape report DIR"
        )
    return TRAIN_TEST in example


def _write_base_to_new(
    folder: Path, results: Sequence[Result], *, reference: str | None, console: Console | None
) -> Path:
    results = reportable(results)
    reference = choose_reference((result.method for result in results), reference)
    summary = summarize(results)
    comparison = None if reference is None else compare(results, reference)
    sections = []
    for dataset, runs in runs_by_dataset(results).items():
        pictures = [picture(*write_figure(drawing, folder)) for drawing in dataset_figures(runs, reference)]
        sections.append(_section(runs, folder, _rows(summary, dataset), _rows(comparison, dataset), pictures))
    write_text(folder / "table.csv", csv_table(summary))
    told = {section.dataset: section.caveats for section in sections}
    write_text(folder / "table.md", markdown_tables(summary, comparison, told))
    page = folder / "report.html"
    write_text(page, render_page("base_to_new.html.j2", title(results), sections, reference=reference, wording=wording))
    print_table(summary, console=console, reference=reference)
    return page


def _section(
    runs: Sequence[Result],
    folder: Path,
    summary: Sequence[Row],
    comparison: Sequence[Row],
    pictures: Sequence[Picture],
) -> BaseToNewSection:
    return BaseToNewSection(
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
