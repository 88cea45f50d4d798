"""The train-test protocol's report: tables, figures and the page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from aape_lightning.files import write_text
from aape_lightning.protocols.names import TRAIN_TEST
from aape_lightning.protocols.results import Result
from aape_lightning.report.about import command, facts, title
from aape_lightning.report.caveats import caveats
from aape_lightning.report.explained.section import Explained, explained
from aape_lightning.report.figures import write_figure
from aape_lightning.report.outcomes.section import OutcomesSection, outcomes_section
from aape_lightning.report.page import Section, render_page
from aape_lightning.report.pictures import picture
from aape_lightning.report.train_test import wording
from aape_lightning.report.train_test.figures import study_figures
from aape_lightning.report.train_test.files import markdown_tables, runs_csv, table_csv
from aape_lightning.report.train_test.galleries import Gallery, gallery
from aape_lightning.report.train_test.metric_names import metric_name
from aape_lightning.report.train_test.study import Study, studies
from aape_lightning.report.train_test.terminal import print_tables

__all__ = ["write_train_test"]


@dataclass(frozen=True, kw_only=True)
class TrainTestSection(Section):
    """What the page says about the train-test runs on one dataset.

    Attributes:
        study: The runs and their tables.
        gallery: Examples, where a method left some.
        explained: Predictions beside the sentences attended to, where a method left some.
        outcomes: Confusions and calibration, where classifiers left their outcomes.
    """

    study: Study
    gallery: Gallery | None
    explained: Explained | None
    outcomes: OutcomesSection | None


def write_train_test(
    folder: Path,
    found: Sequence[tuple[Path, Result]],
    *,
    reference: str | None = None,
    console: Console | None = None,
) -> Path:
    """Report on the train-test results under a folder.

    Args:
        folder: Where to write.
        found: Results with the folders that they lie in; those of other protocols are left out.
        reference: The method that the others are compared with; `aape` by default, else the last in order of display.
        console: Where to print; standard output by default.

    Returns:
        The page's path.

    Raises:
        ResultError: If results do not belong in one table, or none is of the reference method.
    """
    console = console or Console()
    own = [(place, result) for place, result in found if result.protocol == TRAIN_TEST]
    folders = {(run.dataset, run.method, run.seed): place for place, run in own}
    results = [result for _, result in own]
    of_datasets = studies(results, reference)
    # Before the first file is written, so that malformed examples leave no half of a report.
    galleries = [_gallery(study, folders) for study in of_datasets]
    explanations = [explained(study.runs, folders, folder, study.reference) for study in of_datasets]
    outcomes = [outcomes_section(study.runs, folders, folder, study.reference) for study in of_datasets]
    sections = [_section(*told, folder) for told in zip(of_datasets, galleries, explanations, outcomes, strict=True)]
    write_text(folder / "table.csv", table_csv(of_datasets))
    write_text(folder / "runs.csv", runs_csv([run for study in of_datasets for run in study.runs]))
    write_text(folder / "table.md", markdown_tables(of_datasets, {s.dataset: s.caveats for s in sections}))
    page = folder / "report.html"
    write_text(page, render_page("train_test.html.j2", title(results), sections, wording=wording, **_uses(of_datasets)))
    print_tables(of_datasets, console=console)
    for section in sections:
        _tell_failures(section, console)
    return page


def _gallery(study: Study, folders: Mapping[tuple[str, str, int], Path]) -> Gallery | None:
    places = {(method, seed): place for (dataset, method, seed), place in folders.items() if dataset == study.dataset}
    return gallery(study.runs, places)


def _section(
    study: Study, shown: Gallery | None, explanations: Explained | None, outcomes: OutcomesSection | None, folder: Path
) -> TrainTestSection:
    return TrainTestSection(
        dataset=study.dataset,
        facts=facts(study.runs),
        command=command(study.runs, folder),
        caveats=caveats(study.runs),
        pictures=[picture(*write_figure(drawing, folder)) for drawing in study_figures(study)],
        study=study,
        gallery=shown,
        explained=explanations,
        outcomes=outcomes,
    )


def _uses(of_datasets: Iterable[Study]) -> dict[str, bool]:
    """Which notes the page needs."""
    names = [metric_name(name) for study in of_datasets for name in study.values]
    return {
        "has_calibration": any(name.metric == "calibration_error" for name in names),
        "degrades": any(name.degradation != "none" for name in names),
        "shows_examples": any(name.shots is not None for name in names),
    }


def _tell_failures(section: TrainTestSection, console: Console) -> None:
    failures = section.gallery.failures if section.gallery else {}
    if failures:
        path, why = next(iter(failures.items()))
        console.print(
            f"{len(failures)} images of {section.dataset} cannot be opened for the gallery, such as {path!r}: {why}.",
            markup=False,
        )
