"""The report's figures. Each module draws one, or nothing where its data are absent."""

from collections.abc import Sequence
from pathlib import Path

from aape_lightning.files import atomic_path
from aape_lightning.protocols.results import Result
from aape_lightning.report.figures.accuracy import accuracy_figure
from aape_lightning.report.figures.attention import attention_figure
from aape_lightning.report.figures.cosines import cosine_figure
from aape_lightning.report.figures.cost import cost_figure
from aape_lightning.report.figures.curves import curves_figure
from aape_lightning.report.figures.differences import differences_figure
from aape_lightning.report.figures.drawing import Drawing
from aape_lightning.report.figures.theme import DARK, LIGHT, Theme

__all__ = ["DARK", "LIGHT", "Drawing", "Theme", "dataset_figures", "write_figure"]


def dataset_figures(runs: Sequence[Result], reference: str | None) -> list[Drawing]:
    """Every figure that one dataset's runs have the data for.

    Args:
        runs: The base-to-new results on one dataset, by method in order of display.
        reference: The method that stands out and that the others are compared with, if any.
    """
    figures = [
        accuracy_figure(runs, reference),
        differences_figure(runs, reference),
        curves_figure(runs, reference),
        attention_figure(runs),
        cosine_figure(runs),
        cost_figure(runs),
    ]
    return [figure for figure in figures if figure is not None]


def write_figure(drawing: Drawing, folder: Path) -> tuple[Drawing, bytes, bytes]:
    """Write a figure's SVG and PNG into a report's `figures/`, in the light theme.

    Args:
        drawing: The figure.
        folder: The report's folder.

    Returns:
        The figure, and its SVG for a light and for a dark page.
    """
    light = drawing.render(LIGHT, "svg")
    for kind, content in (("svg", light), ("png", drawing.render(LIGHT, "png"))):
        with atomic_path(folder / "figures" / f"{drawing.name}.{kind}") as path:
            path.write_bytes(content)
    return drawing, light, drawing.render(DARK, "svg")
