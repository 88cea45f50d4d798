"""Draws what a trained aggregator attends to, from a run on the shapes world.

aape fit --config shapes --data.classes base --run runs/figure
python docs/figures/attention.py runs/figure
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from aape_lightning.data import ClassificationDataModule
from aape_lightning.data.shapes.world import open_shapes_image
from aape_lightning.modules.aggregator import AttentionAggregator
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from safetensors.torch import load_file

HERE = Path(__file__).parent
INK = {"light": "#22263a", "dark": "#e6e8f2"}
COLOURS = {"faithful": "#2f8f6b", "redundant": "#5b7fb5", "irrelevant": "#c9812f", "wrong": "#c2455a"}
SHOWN = 8


def attention_of(run: Path, classes: int = 2) -> list[tuple[object, str, list[tuple[float, str, str]]]]:
    """For one validation image of each of the first classes: the image, its class, and (share, sentence, kind)s."""
    data = ClassificationDataModule(
        "shapes", backbone="shapes-tiny", prompts="sentences", class_text="prompts", classes="base"
    )
    data.setup("fit")
    batch = data.held_out()
    assert batch is not None, "the shapes world has validation images"
    prompts, mask = data.bank.gather(batch["label"])
    aggregator = AttentionAggregator(prompts.shape[-1])
    aggregator.load_state_dict(load_file(run / "aggregator.safetensors"))
    with torch.inference_mode():
        shares = aggregator.attention(prompts, mask, batch["image_embedding"])
    found = []
    for place in chosen(batch["label"].tolist(), classes):
        label = int(batch["label"][place])
        name = data.bank.keys[label]
        rows = zip(shares[place].tolist(), data.bank.sentences(name), data.sentence_kinds()[label], strict=False)
        found.append((open_shapes_image(data.loaded("val", 0).path(place)), name, sorted(rows, reverse=True)))
    return found


def chosen(labels: list[int], classes: int) -> list[int]:
    """The first image of each of the first classes."""
    return [labels.index(label) for label in sorted(set(labels))[:classes]]


def main() -> None:
    """Write `attention-THEME.png`."""
    found = attention_of(Path(sys.argv[1]))
    for theme, ink in INK.items():
        with plt.rc_context({"text.color": ink, "axes.labelcolor": ink, "xtick.color": ink, "font.size": 9}):
            drawn(found, ink).savefig(HERE / f"attention-{theme}.png", dpi=110, transparent=True, bbox_inches="tight")


def drawn(found: list[tuple[object, str, list[tuple[float, str, str]]]], ink: str) -> Figure:
    """A row for each image: the image, and its sentences with their shares."""
    figure, axes = plt.subplots(
        len(found), 2, figsize=(8.8, 2.7 * len(found)), width_ratios=[1, 3.4], layout="constrained", squeeze=False
    )
    for (left, right), (image, name, rows) in zip(axes, found, strict=True):
        left.imshow(image)
        left.set_title(name, fontsize=9)
        left.set_axis_off()
        bars(right, rows, ink)
    return figure


def bars(axes: Axes, rows: list[tuple[float, str, str]], ink: str) -> None:
    """The sentences that receive most attention, and where uniform attention would be."""
    shown = rows[:SHOWN]
    heights = range(len(shown), 0, -1)
    axes.barh(
        heights, [100 * share for share, _, _ in shown], color=[COLOURS[kind] for _, _, kind in shown], height=0.8
    )
    for height, (share, sentence, kind) in zip(heights, shown, strict=True):
        axes.text(100 * share + 0.2, height, f"{sentence}  ({kind})", va="center", fontsize=8, color=ink)
    axes.axvline(100 / len(rows), color=ink, linewidth=0.8, linestyle=":")
    rest = sum(share for share, _, _ in rows[SHOWN:])
    axes.set_xlabel(
        f"percent of attention; dotted: uniform; {len(rows) - SHOWN} more sentences share {100 * rest:.0f} %"
    )
    axes.set_xlim(0, 100 * shown[0][0] * 3.2)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


if __name__ == "__main__":
    main()
