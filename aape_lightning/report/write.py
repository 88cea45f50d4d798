"""`aape report`: every result under a folder -> tables, figures and the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from aape_lightning.errors import ResultError
from aape_lightning.files import check_writable, write_text
from aape_lightning.protocols.names import BASE_TO_NEW, COST, FEW_SHOT, SWEEP, TRAIN_TEST, TRANSFERS
from aape_lightning.protocols.results import Result, find_results
from aape_lightning.report import wording
from aape_lightning.report.about import command, facts, title
from aape_lightning.report.averages import compare_averages, summarize_averages
from aape_lightning.report.diagnostics import attention_shares, cosines
from aape_lightning.report.explained.section import Explained, explained
from aape_lightning.report.figures import dataset_figures, write_figure
from aape_lightning.report.grid.terminal import print_grid
from aape_lightning.report.grid.write import write_grid
from aape_lightning.report.latex_tables import latex_tables
from aape_lightning.report.main_table import MainTable, main_tables
from aape_lightning.report.methods import choose_reference
from aape_lightning.report.outcomes.section import outcomes_section
from aape_lightning.report.page import BaseToNewSection, render_page
from aape_lightning.report.pictures import picture
from aape_lightning.report.runs import runs_by_dataset
from aape_lightning.report.scores import METRICS, reportable
from aape_lightning.report.summary import summarize
from aape_lightning.report.tables import csv_table, markdown_tables
from aape_lightning.report.terminal import print_tables as print_main_tables
from aape_lightning.report.train_test.study import studies
from aape_lightning.report.train_test.terminal import print_tables
from aape_lightning.report.train_test.write import write_train_test

__all__ = ["print_results", "write_report"]

_GRIDS = (FEW_SHOT, SWEEP, *TRANSFERS, COST)


def write_report(folder: Path, *, reference: str | None = None, console: Console | None = None) -> Path:
    """Report on every result of a protocol under a folder.

    Writes `report.html` (one file that needs no other), `table.md`, `table.csv` and `figures/*.png` and `*.svg` into
    the folder, and prints the tables. The train-test protocol also has `runs.csv`; the others have `table.tex`, and
    base-to-new results on several datasets have `averages.csv`.

    Args:
        folder: The results, as a protocol's `--out`.
        reference: The method that the others are compared with; `aape` by default, where it has results.
        console: Where to print the table; standard output by default.

    Returns:
        The page's path.

    Raises:
        ResultError: If the folder holds no result of a protocol, those of two, a malformed one, results that do not
            belong in one table, or none of the reference method.
        StorageError: If nothing can be written into the folder.
    """
    found = find_results(folder)
    protocol = _protocol(found, folder)
    check_writable(folder)
    if protocol in _GRIDS:
        return write_grid(folder, found, reference=reference, console=console)
    if protocol == TRAIN_TEST:
        return write_train_test(folder, found, reference=reference, console=console)
    return _write_base_to_new(folder, found, reference=reference, console=console)


def print_results(folder: Path) -> None:
    """Print the tables of every result of a protocol under a folder.

    Raises:
        ResultError: As `write_report`.
    """
    found = find_results(folder)
    results = [result for _, result in found]
    protocol = _protocol(found, folder)
    if protocol in _GRIDS:
        print_grid(found)
    elif protocol == TRAIN_TEST:
        print_tables(studies(results))
    else:
        reference = choose_reference(result.method for result in reportable(results))
        print_main_tables(main_tables(results, reference), reference=reference)


def _protocol(found: Sequence[tuple[Path, Result]], folder: Path) -> str:
    """The one protocol of the results; single tests belong to none.

    Raises:
        ResultError: If there are results of several.
    """
    known = (BASE_TO_NEW, TRAIN_TEST, *_GRIDS)
    example = {result.protocol: place for place, result in found if result.protocol in known}
    if len(example) > 1:
        places = ", ".join(f"{name} (such as {str(place.relative_to(folder))!r})" for name, place in example.items())
        raise ResultError(
            f"{str(folder)!r} holds results of {len(example)} protocols: {places}. "
            "Report on the folder of each: aape report DIR"
        )
    return next(iter(example), BASE_TO_NEW)


def _write_base_to_new(
    folder: Path, found: Sequence[tuple[Path, Result]], *, reference: str | None, console: Console | None
) -> Path:
    results = reportable([result for _, result in found])
    reference = choose_reference((result.method for result in results), reference)
    tables = main_tables(results, reference)
    places = {(run.dataset, run.method, run.seed): place for place, run in found if run in results}
    # First, so that malformed ones leave no half of a report.
    shown = {dataset: explained(runs, places, folder, reference) for dataset, runs in runs_by_dataset(results).items()}
    sections = _sections(results, {table.title: table for table in tables}, shown, places, folder, reference)
    average = next((table for table in tables if table.is_average), None)
    write_text(folder / "table.csv", csv_table(summarize(results)))
    write_text(folder / "table.md", markdown_tables(tables))
    write_text(folder / "table.tex", latex_tables(tables))
    _write_averages(folder, results if average else [], reference)
    page = folder / "report.html"
    told = {"reference": reference, "wording": wording, "average": average}
    write_text(page, render_page("base_to_new.html.j2", title(results), sections, **told))
    print_main_tables(tables, console=console, reference=reference)
    return page


def _write_averages(folder: Path, results: Sequence[Result], reference: str | None) -> None:
    """Write `averages.csv`, and remove that of an earlier report where there is no average any more."""
    path = folder / "averages.csv"
    if not results:
        path.unlink(missing_ok=True)
        return
    averages = summarize_averages(results)
    if reference is not None:
        paired = compare_averages(results, reference)
        paired = paired.rename(columns={f"{metric}_interval": f"{metric}_difference_interval" for metric in METRICS})
        averages = averages.merge(paired, on="method", how="left")
    write_text(path, csv_table(averages))


def _sections(
    results: Sequence[Result],
    tables: Mapping[str, MainTable],
    shown: Mapping[str, Explained | None],
    places: Mapping[tuple[str, str, int], Path],
    folder: Path,
    reference: str | None,
) -> list[BaseToNewSection]:
    return [
        BaseToNewSection(
            dataset=dataset,
            facts=facts(runs),
            command=command(runs, folder),
            caveats=tables[dataset].caveats,
            table=tables[dataset],
            cosines=cosines(runs),
            attention=attention_shares(runs),
            explained=shown[dataset],
            outcomes=outcomes_section(runs, places, folder, reference),
            pictures=[picture(*write_figure(drawing, folder)) for drawing in dataset_figures(runs, reference)],
        )
        for dataset, runs in runs_by_dataset(results).items()
    ]
