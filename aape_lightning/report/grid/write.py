"""The report on a grid: tables, figures and the page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from aape_lightning.files import write_text
from aape_lightning.protocols.names import COST, TRANSFERS
from aape_lightning.protocols.results import Result
from aape_lightning.report.about import title
from aape_lightning.report.explained.section import Explained
from aape_lightning.report.figures import Drawing, write_figure
from aape_lightning.report.grid import wording
from aape_lightning.report.grid.about import grid_command, grid_facts
from aape_lightning.report.grid.caveats import grid_caveats
from aape_lightning.report.grid.cited import Cited, cited
from aape_lightning.report.grid.explained import grid_explained
from aape_lightning.report.grid.figures import average_figures, grid_figures
from aape_lightning.report.grid.files import grid_csv, grid_markdown
from aape_lightning.report.grid.latex import grid_latex
from aape_lightning.report.grid.noise import CHANGE_OF, verdicts
from aape_lightning.report.grid.over_settings import H_OF_MEANS, MEAN_OF_H
from aape_lightning.report.grid.panels import Panel, metric_title
from aape_lightning.report.grid.studies import Grids, grids
from aape_lightning.report.grid.study import GridStudy
from aape_lightning.report.grid.terminal import print_grids
from aape_lightning.report.page import Section, render_page
from aape_lightning.report.pictures import picture

__all__ = ["write_grid"]


@dataclass(frozen=True, kw_only=True)
class GridSection(Section):
    """What the page says about one grid.

    Attributes:
        study: The runs and their tables.
        published: Published numbers in the setting of the first table.
        verdicts: Whether the reference keeps more as noise grows, in sentences; none where noise was not varied.
        explained: Predictions beside the sentences attended to, where a method left some.
    """

    study: GridStudy
    published: Cited
    verdicts: Sequence[str]
    explained: Explained | None = None


def write_grid(
    folder: Path,
    found: Sequence[tuple[Path, Result]],
    *,
    reference: str | None = None,
    console: Console | None = None,
) -> Path:
    """Report on the results of a protocol that makes grids.

    Writes `report.html`, `table.md`, `table.csv`, `table.tex` and `figures/`, and prints the main tables.

    Args:
        folder: Where to write.
        found: Results with the folders that they lie in; those of other protocols are left out.
        reference: The method that the others are compared with; `aape` by default, else the last in order of display.
        console: Where to print; standard output by default.

    Returns:
        The page's path.

    Raises:
        ResultError: If results do not belong in one grid, or none is of the reference method.
    """
    every = grids((result for _, result in found), reference)
    by_dataset = [study for one in every for study in one.studies]
    # First, so that malformed ones leave no half of a report.
    shown = [grid_explained(study, found, folder) for study in by_dataset]
    averages = [_average(one, one.average, folder) for one in every if one.average]
    sections = [_dataset(study, folder, of_study) for study, of_study in zip(by_dataset, shown, strict=True)]
    told = {section.dataset: [*section.verdicts, *section.caveats] for section in (*averages, *sections)}
    studies = [section.study for section in (*averages, *sections)]
    write_text(folder / "table.csv", grid_csv(studies))
    write_text(folder / "table.md", grid_markdown(studies, told))
    write_text(folder / "table.tex", grid_latex(studies))
    page = folder / "report.html"
    heading = title(run for study in studies for run in study.runs)
    uses = _uses(studies)
    write_text(page, render_page("grid.html.j2", heading, sections, averages=averages, wording=wording, **uses))
    print_grids(every, console)
    return page


def _average(one: Grids, average: GridStudy, folder: Path) -> GridSection:
    return _section(average, folder, average_figures(average, one.studies), one.left_out, command="")


def _dataset(study: GridStudy, folder: Path, shown: Explained | None) -> GridSection:
    section = _section(study, folder, grid_figures(study), grid_caveats(study), grid_command(study, folder))
    return replace(section, explained=shown)


def _section(
    study: GridStudy, folder: Path, drawings: Sequence[Drawing], caveats: Sequence[str], command: str
) -> GridSection:
    return GridSection(
        dataset=study.dataset,
        facts=grid_facts(study),
        command=command,
        caveats=caveats,
        pictures=[picture(*write_figure(drawing, folder)) for drawing in drawings],
        study=study,
        published=cited(study),
        verdicts=_verdicts(study),
    )


def _verdicts(study: GridStudy) -> list[str]:
    panels = [panel for panel in study.panels if panel.metric.startswith(CHANGE_OF)]
    found = [(f"With {panel.within}: " if panel.within else "", panel) for panel in panels]
    return [
        f"{under}{sentence}"
        for under, panel in found
        for sentence in verdicts(study.table(panel), study.reference, _in_a_sentence(panel))
    ]


def _in_a_sentence(panel: Panel) -> str:
    """The metric whose change a panel holds."""
    metric = panel.metric.removeprefix(CHANGE_OF)
    return "H" if metric == MEAN_OF_H else metric_title(metric).lower()


def _uses(studies: Sequence[GridStudy]) -> dict[str, bool]:
    """Which notes the page needs."""
    panels = [panel for study in studies for panel in study.panels]
    return {
        "compares": any(table.differences for study in studies for table in study.tables),
        "has_h": any(panel.metric == H_OF_MEANS for panel in panels),
        "has_noise": any(panel.metric.startswith(CHANGE_OF) for panel in panels),
        "has_targets": any(study.protocol in TRANSFERS for study in studies),
        "has_calibration": any(panel.metric.endswith("calibration_error") for panel in panels),
        "has_costs": any(study.protocol == COST for study in studies),
    }
