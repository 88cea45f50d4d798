"""The explanations of one dataset: one method's, of its first seed that left some."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aape_lightning.protocols.explanations import EXPLANATIONS_FILE, Explanations, read_explanations
from aape_lightning.protocols.results import Result
from aape_lightning.report.explained.views import PartView, part_view
from aape_lightning.report.figures import write_figure
from aape_lightning.report.figures.moved import moved_figures
from aape_lightning.report.images import Images
from aape_lightning.report.pictures import Picture, picture

__all__ = ["Explained", "explained"]


@dataclass(frozen=True)
class Explained:
    """What the page explains of one dataset.

    Attributes:
        method: Whose predictions they are.
        run: Of which run: its seed, and the setting that it took.
        parts: By class subset.
        moved: The figures of how far h(x) moved, by class subset.
        failures: Why images could not be opened, by path.
    """

    method: str
    run: str
    parts: Sequence[PartView]
    moved: Sequence[Picture]
    failures: Mapping[str, str]

    @property
    def kinds(self) -> list[str]:
        """The kinds of the sentences that are shown; none where they are not known."""
        bars = [bar for part in self.parts for shown in part.sentences for bar in shown.bars]
        return sorted({bar.kind for bar in bars} - {""})


def explained(
    runs: Sequence[Result], places: Mapping[tuple[str, str, int], Path], folder: Path, reference: str | None
) -> Explained | None:
    """The explanations of the reference method, or else of the last method in order of display that left some.

    Args:
        runs: The results on one dataset, by method in order of display, and seed.
        places: Where runs lie, by dataset, method and seed.
        folder: The report's folder, which gets the figures.
        reference: The method that stands out, if any.

    Returns:
        None where no run left explanations.

    Raises:
        ResultError: If a file of explanations is malformed.
    """
    run = _chosen(runs, places, reference)
    if run is None:
        return None
    found = read_explanations(_file(run, places))
    images = Images(found.manifest, found.root)
    parts = [part_view(part, images) for part in found.parts]
    told = ", ".join([f"seed {run.seed}", *(f"{key} {value}" for key, value in run.setting.items())])
    return Explained(run.method, told, parts, _moved(found, run, folder), images.failures)


def _file(run: Result, places: Mapping[tuple[str, str, int], Path]) -> Path:
    return places[run.dataset, run.method, run.seed] / EXPLANATIONS_FILE


def _chosen(
    runs: Sequence[Result], places: Mapping[tuple[str, str, int], Path], reference: str | None
) -> Result | None:
    left = [run for run in runs if _file(run, places).is_file()]
    if not left:
        return None
    methods = [run.method for run in left]
    method = reference if reference in methods else methods[-1]
    return next(run for run in left if run.method == method)


def _moved(found: Explanations, run: Result, folder: Path) -> list[Picture]:
    return [picture(*write_figure(drawing, folder)) for drawing in moved_figures(found, run.dataset, run.method)]
