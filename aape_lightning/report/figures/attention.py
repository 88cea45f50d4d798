"""Where the aggregator looks: the share of its attention on each kind of sentence, beside the uniform share."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from aape_lightning.protocols.results import Result
from aape_lightning.report.diagnostics import Shares, attention_shares
from aape_lightning.report.figures.drawing import Drawing, slug
from aape_lightning.report.figures.marks import draw_over_bar
from aape_lightning.report.figures.theme import WIDTH, Theme, row_axis

__all__ = ["attention_figure"]

_CAPTION = (
    "Share of the aggregator's attention on each kind of sentence, on images that it was not trained on. Bars "
    "are means over seeds, with 95 % t-intervals and single seeds; the upright stroke is the share under uniform "
    "attention."
)


def attention_figure(runs: Sequence[Result]) -> Drawing | None:
    """Attention by kind of sentence; none where no run recorded it.

    Args:
        runs: The base-to-new results on one dataset.
    """
    shares = attention_shares(runs)
    if not shares:
        return None
    return Drawing(
        name=slug(runs[0].dataset, "attention"),
        title="Attention by kind of sentence",
        caption=_CAPTION,
        alt=f"Share of attention on {runs[0].dataset} by kind of sentence. {_told(shares)}",
        paint=lambda theme: _paint(shares, theme),
    )


def _told(shares: dict[str, dict[str, Shares]]) -> str:
    return " ".join(
        f"{method}, {kind}: {100 * share.attention.mean:.1f} %"
        + (f" against {100 * share.uniform.mean:.1f} % under uniform attention." if share.uniform.count else ".")
        for method, kinds in shares.items()
        for kind, share in kinds.items()
    )


def _paint(shares: dict[str, dict[str, Shares]], theme: Theme) -> Figure:
    rows = [len(kinds) for kinds in shares.values()]
    figure = Figure(figsize=(WIDTH, 0.95 + sum(0.4 + 0.3 * count for count in rows)), layout="constrained")
    panels = figure.subplots(len(rows), 1, sharex=True, squeeze=False, height_ratios=rows)[:, 0]
    for axes, (method, kinds) in zip(panels, shares.items(), strict=True):
        _panel(axes, kinds, theme)
        axes.set_title(method)
    panels[0].set_xlim(left=0)
    panels[-1].set_xlabel("share of attention, percent")
    stroke = Line2D([], [], linestyle="none", marker="|", markersize=11, markeredgewidth=2, color=theme.series[1])
    figure.legend([stroke], ["uniform attention"], loc="outside upper right")
    return figure


def _panel(axes: Axes, kinds: dict[str, Shares], theme: Theme) -> None:
    row_axis(axes, list(kinds))
    for row, share in enumerate(kinds.values()):
        interval = draw_over_bar(axes, row, [100 * value for value in share.values], theme)
        axes.barh(row, interval.mean, height=0.7, color=theme.plain)
        if share.uniform.count:
            uniform = 100 * share.uniform.mean
            axes.plot([uniform, uniform], [row - 0.44, row + 0.44], color=theme.series[1], linewidth=2.2, zorder=5)
