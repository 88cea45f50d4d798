"""How the time of an epoch grows: linearly with the images, and not with the sentences once summaries exist.

    make bench ARGS="-k growth"

AAPE's two stages apart, from stored features through a real Trainer, at four sizes each, with everything else held. All
sizes are measured in turns, and what is told of them is taken round by round. Draws .benchmarks/growth.png.
"""

import math
from dataclasses import replace
from itertools import pairwise
from statistics import median

from aape_lightning.report.figures.drawing import Drawing
from aape_lightning.report.figures.theme import DASHES, LIGHT, MARKERS
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from measuring import OUTPUT, SMALL, Ratio
from synthetic import Sizes, aape_epochs

IMAGES = (128, 256, 512, 1024) if SMALL else (1_000, 4_000, 16_000, 64_000)
SENTENCES = (2, 4, 8, 16) if SMALL else (5, 20, 80, 320)
BY_IMAGES = Sizes(classes=10, sentences=5, views=1) if SMALL else Sizes(classes=100, sentences=50, views=1)
HELD_IMAGES = 256 if SMALL else 4_000
BATCH = 32 if SMALL else 256
ROUNDS = 2 if SMALL else 3
STAGES = ("aggregator", "generator")


def measured(sizes, *, generator):
    """Seconds of an epoch by stage and size, a list of the rounds' medians: `found[stage][size]`."""
    found = {stage: {size: [] for size in sizes} for stage in STAGES}
    for number in range(ROUNDS):
        for size in list(sizes)[:: -1 if number % 2 else 1]:
            epochs = aape_epochs(sizes[size], BATCH, aggregator=2, generator=generator)
            for stage in STAGES:
                found[stage][size].append(median(epochs[stage]))
    return found


def slope(found, under, over):
    """The exponent of growth between two sizes: 1 where time is proportional to size, 0 where it stays."""
    times = zip(found[over], found[under], strict=True)
    slopes = [math.log(more / less) / math.log(over / under) for more, less in times]
    return Ratio(median(slopes), min(slopes), max(slopes))


def test_growth(benchmark, figures):
    """Linear in images at the large end, told of at every step; the second stage flat in sentences, 320 against 5."""
    images, sentences = benchmark.pedantic(measure_both, rounds=1)
    for stage in STAGES:
        for under, over in pairwise(IMAGES):
            name = f"{stage}'s stage, exponent of epoch time from {under:,} to {over:,} images"
            bound = (0.9, 1.1) if over == IMAGES[-1] else None
            figures.add(name, slope(images[stage], under, over), bound=bound)
    under, over = SENTENCES[-2:]
    name = f"aggregator's stage, exponent from {under} to {over} sentences a class"
    figures.add(name, slope(sentences["aggregator"], under, over))
    least, most = SENTENCES[0], SENTENCES[-1]
    flat = [b / a for a, b in zip(*(sentences["generator"][size] for size in (least, most)), strict=True)]
    name = f"generator's stage, epoch with {most} sentences a class over {least}"
    figures.add(name, Ratio(median(flat), min(flat), max(flat)), "x", bound=1.15, floor="1")
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "growth.png").write_bytes(drawing(images, sentences).render(LIGHT, "png"))


def measure_both():
    """Epochs by images and by sentences."""
    by_images = {count: replace(BY_IMAGES, images=count) for count in IMAGES}
    by_sentences = {count: replace(BY_IMAGES, images=HELD_IMAGES, sentences=count) for count in SENTENCES}
    return measured(by_images, generator=4), measured(by_sentences, generator=12)


def drawing(images, sentences):
    """Seconds of an epoch over both sizes."""

    def paint(theme):
        figure = Figure(figsize=(7.2, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        panel(left, images, theme, "training images")
        panel(right, sentences, theme, "sentences a class")
        left.set_ylabel("seconds an epoch")
        left.set_title(f"{BY_IMAGES.sentences} sentences a class")
        right.set_title(f"{HELD_IMAGES:,} images")
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=3)
        return figure

    return Drawing("growth", "Time of an epoch", "", "", paint)


def panel(axes, found, theme, label):
    """Both stages on logarithmic axes, with a line of slope 1 through the aggregator's largest size."""
    for number, stage in enumerate(STAGES):
        places, times = list(found[stage]), [median(rounds) for rounds in found[stage].values()]
        axes.plot(
            places,
            times,
            color=theme.series[number],
            marker=MARKERS[number],
            markersize=4.5,
            label=f"{stage}'s stage",
        )
    last = median(found["aggregator"][places[-1]])
    line = [last * place / places[-1] for place in places]
    axes.plot(places, line, color=theme.plain, linestyle=DASHES[2], label="proportional", zorder=1)
    axes.set(xscale="log", yscale="log", xlabel=label)
    axes.set_xticks(places, labels=[f"{place:,}" for place in places])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.tick_params(length=0, which="both", labelcolor=theme.muted)
