"""A confusion matrix of the classes that are most confused."""

from collections.abc import Sequence
from itertools import chain

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from aape_lightning.report.figures.drawing import Drawing, short_name, slug
from aape_lightning.report.figures.theme import WIDTH, Theme
from aape_lightning.report.outcomes.confusions import Confusions

__all__ = ["confusion_figure"]

_CLASSES = 8  # the most that leave room for numbers in the cells


def confusion_figure(dataset: str, found: Confusions) -> Drawing | None:
    """The matrix of one method on one part; none where nothing was confused.

    Args:
        dataset: The dataset's name.
        found: What was confused.
    """
    if not found.most:
        return None
    return Drawing(
        name=slug(dataset, "confusion", found.part),
        title=f"{found.part.capitalize()} classes that {found.method} confuses most",
        caption=(
            "Percent of each true class's images (rows) by predicted class (columns, numbered as the rows), all seeds "
            "together. Blue is right, orange is wrong; the last column holds every other class."
        ),
        alt=(
            f"Confusion matrix of {found.method} on the {found.part} classes of {dataset}. "
            + " ".join(f"{pair.true} taken for {pair.predicted}: {100 * pair.share:.0f} %." for pair in found.most)
        ),
        paint=lambda theme: _paint(found, theme),
    )


def _paint(found: Confusions, theme: Theme) -> Figure:
    pooled = found.pooled
    shown = _shown(found)
    figure = Figure(figsize=(WIDTH, 1.0 + 0.34 * len(shown)), layout="constrained")
    axes = figure.subplots()
    for row, true in enumerate(shown):
        shares = [pooled.share(true, predicted) for predicted in shown]
        others = 1 - sum(shares) if pooled.images[true] else 0.0
        for column, share in enumerate([*shares, others]):
            _cell(axes, row, column, share, theme, is_right=row == column)
    names = [f"{short_name(pooled.classes[place])}  {number}" for number, place in enumerate(shown, 1)]
    _label(axes, names, theme)
    return figure


def _shown(found: Confusions) -> list[int]:
    """The places of the classes in the most confused pairs, pair by pair, as many as fit."""
    place = {name: at for at, name in enumerate(found.pooled.classes)}
    involved = dict.fromkeys(chain.from_iterable((pair.true, pair.predicted) for pair in found.most))
    return [place[name] for name in involved][:_CLASSES]


def _cell(axes: Axes, row: int, column: int, share: float, theme: Theme, *, is_right: bool) -> None:
    colour = theme.accent if is_right else theme.series[1]
    corner, size = (column - 0.47, row - 0.46), (0.94, 0.92)
    axes.add_patch(Rectangle(corner, *size, facecolor=colour, alpha=min(1.0, max(0.0, share)), linewidth=0))
    if share >= 0.005:
        ink = max((theme.ink, theme.surface), key=lambda ink: _contrast(ink, _blend(colour, theme.surface, share)))
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8.5, color=ink)


def _blend(colour: str, surface: str, alpha: float) -> tuple[float, ...]:
    return tuple(
        alpha * over + (1 - alpha) * under for over, under in zip(to_rgb(colour), to_rgb(surface), strict=True)
    )


def _contrast(ink: str, cell: tuple[float, ...]) -> float:
    """The contrast ratio of two colours, as WCAG 2 has it."""
    dark, light = sorted((_luminance(to_rgb(ink)), _luminance(cell)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Sequence[float]) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _label(axes: Axes, names: Sequence[str], theme: Theme) -> None:
    count = len(names)
    axes.set_xlim(-0.5, count + 0.5)
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_yticks(range(count), labels=list(names))
    axes.set_xticks(range(count + 1), labels=[*map(str, range(1, count + 1)), "other"])
    axes.tick_params(length=0)
    axes.tick_params(axis="x", labelcolor=theme.ink, labeltop=True, labelbottom=False)
    axes.grid(visible=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.axvline(count - 0.5, color=theme.grid, linewidth=1)
