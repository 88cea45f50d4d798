"""What the page says about the outcomes of one dataset's tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aape_lightning.protocols.results import Result
from aape_lightning.report.figures import write_figure
from aape_lightning.report.figures.confusion import confusion_figure
from aape_lightning.report.figures.reliability import reliability_figure
from aape_lightning.report.methods import last_method, method_order
from aape_lightning.report.outcomes.calibration import Calibration, calibrations
from aape_lightning.report.outcomes.confusions import Confusions, find_confusions
from aape_lightning.report.outcomes.parts import find_parts
from aape_lightning.report.pictures import Picture, picture

__all__ = ["OutcomesSection", "outcomes_section"]


@dataclass(frozen=True)
class OutcomesSection:
    """Confusions and calibration on one dataset.

    Attributes:
        reference: The method that stands out, if any.
        parts: The tested parts.
        confusions: Of the reference method, one a part.
        calibrations: By method and part.
        confusion_pictures: The confusion matrices.
        calibration_pictures: The reliability diagrams.
    """

    reference: str | None
    parts: Sequence[str]
    confusions: Sequence[Confusions]
    calibrations: Mapping[str, Mapping[str, Calibration]]
    confusion_pictures: Sequence[Picture]
    calibration_pictures: Sequence[Picture]

    @property
    def confused(self) -> bool:
        """Whether there is a confusion to tell."""
        return any(found.most for found in self.confusions)


def outcomes_section(
    runs: Sequence[Result], places: Mapping[tuple[str, str, int], Path], folder: Path, reference: str | None
) -> OutcomesSection | None:
    """The outcomes of one dataset's runs, their figures written; None where no run has left any.

    Args:
        runs: The results on one dataset, by method in order of display.
        places: The folder of each run, by dataset, method and seed.
        folder: The report's folder.
        reference: The method whose confusions are told; where there is none, the last in order of display.

    Raises:
        ResultError: If a file of outcomes is malformed.
    """
    dataset, parts = runs[0].dataset, find_parts(runs, places)
    if not parts:
        return None
    methods = method_order(method for tests in parts.values() for method in tests)
    told = reference if reference in methods else last_method(methods)
    found = [confusions for part, tests in parts.items() if (confusions := find_confusions(part, tests, told))]
    matrices = [drawing for confusions in found if (drawing := confusion_figure(dataset, confusions))]
    diagram = reliability_figure(dataset, parts, methods)
    return OutcomesSection(
        reference=reference,
        parts=list(parts),
        confusions=found,
        calibrations=calibrations(parts, methods),
        confusion_pictures=[picture(*write_figure(drawing, folder)) for drawing in matrices],
        calibration_pictures=[picture(*write_figure(diagram, folder))] if diagram else [],
    )
