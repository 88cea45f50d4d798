"""How far h(x) moved from the mean sentence of each class, and towards what."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from aape_lightning.protocols.explanations import Cosines, ExplainedClass, ExplainedClasses, Explanations
from aape_lightning.report.figures.drawing import Drawing, short_name, slug
from aape_lightning.report.figures.theme import MARKERS, WIDTH, Theme, pick, row_axis

__all__ = ["moved_figures"]

_NAMES = {
    "image_mean": "image and mean sentence",
    "image_aape": "image and h(x)",
    "mean_aape": "mean sentence and h(x)",
    "summary_aape": "summary and h(x)",
}
_APART = 0.16  # rows between the marks of the image and the others, so that they seldom cover each other


def moved_figures(found: Explanations, dataset: str, method: str) -> list[Drawing]:
    """Four cosines a class, one figure a class subset and all of one scale.

    Args:
        found: What one run explains.
        dataset: The dataset's name.
        method: The method's name.
    """
    values = [value for part in found.parts for one in part.by_class for value in one.cosines.model_dump().values()]
    room = min(values) - 0.05, max(1.0, *values) + 0.02
    return [_drawing(part, dataset, method, room) for part in found.parts]


def _drawing(part: ExplainedClasses, dataset: str, method: str, room: tuple[float, float]) -> Drawing:
    title = f"{part.classes.capitalize()} classes"
    return Drawing(
        name=slug(dataset, "moved", part.classes),
        title=title,
        caption=f"Mean cosines over each class's test images; {method}.",
        alt=f"Mean cosines of {method} by class on {dataset}. {title}: {_told(part.by_class)}",
        paint=lambda theme: _paint(part.by_class, room, theme),
    )


def _told(classes: Sequence[ExplainedClass]) -> str:
    return " ".join(
        f"{one.name}: {', '.join(f'{name} {getattr(one.cosines, key):.2f}' for key, name in _NAMES.items())}."
        for one in classes
    )


def _paint(classes: Sequence[ExplainedClass], room: tuple[float, float], theme: Theme) -> Figure:
    figure = Figure(figsize=(WIDTH, 1.25 + 0.42 * len(classes)), layout="constrained")
    axes = figure.subplots()
    row_axis(axes, [short_name(one.name) for one in classes])
    for row, one in enumerate(classes):
        _arrow(axes, row - _APART, one.cosines, theme)
        for key in _NAMES:
            place = row + (-_APART if key.startswith("image") else _APART)
            axes.scatter(
                getattr(one.cosines, key), place, s=28, color=_colour(theme, key), marker=_marker(key), zorder=4
            )
    axes.set_xlim(room)
    axes.set_xlabel("mean cosine")
    handles = [
        Line2D([], [], linestyle="none", color=_colour(theme, key), marker=_marker(key), label=name)
        for key, name in _NAMES.items()
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=2)
    return figure


def _arrow(axes: Axes, row: float, cosines: Cosines, theme: Theme) -> None:
    style = {"arrowstyle": "-|>", "color": theme.muted, "linewidth": 1.2, "shrinkA": 3, "shrinkB": 3}
    axes.annotate("", (cosines.image_aape, row), (cosines.image_mean, row), arrowprops=style)


def _colour(theme: Theme, key: str) -> str:
    return pick((theme.muted, theme.accent, theme.series[1], theme.series[2]), list(_NAMES).index(key))


def _marker(key: str) -> str:
    return pick(MARKERS, list(_NAMES).index(key))
