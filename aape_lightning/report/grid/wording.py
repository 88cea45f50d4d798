"""What the numbers of a grid mean, in the same words wherever they are shown."""

from collections.abc import Iterable

from aape_lightning.report.grid.noise import ATTENTION
from aape_lightning.report.train_test import wording
from aape_lightning.report.train_test.wording import DIFFERENCE, MEAN, SEEDS_ONLY, verdict
from aape_lightning.report.wording import CALIBRATION, H_OF_MEANS, MARK, MEAN_OF_H

__all__ = [
    "AVERAGE",
    "AVERAGE_OF_TARGETS",
    "CALIBRATION",
    "COST",
    "DIFFERENCE",
    "H_OF_MEANS",
    "MARK",
    "MEAN",
    "MEAN_OF_H",
    "NOISE",
    "SEEDS_ONLY",
    "units",
    "verdict",
]

AVERAGE = (
    "Averages are taken over the datasets for each seed first; mean, deviation and interval are over the seeds. "
    "Methods and seeds that some dataset lacks are left out."
)
AVERAGE_OF_TARGETS = (
    "The average of targets is taken for each seed first; mean, deviation and interval are over the seeds. The source "
    "is no part of it."
)
NOISE = (
    "The rate is the share of sentences of other classes among a class's sentences. A change is a seed's value under "
    "noise minus the same seed's value without, in percentage points; where the paired difference of changes is "
    "positive, the reference keeps more."
)
COST = (
    "GFLOPs are of one image, in inference with class features already known, and in training forward only, without "
    "the image tower where a method trains on stored embeddings. Training time is extrapolated from measured steps. "
    "Speed and memory are those of the device named above."
)


def units(names: Iterable[str]) -> str:
    """On which scales the metrics are shown, as one sentence.

    Example:
        >>> units(["data.noise=0.2/accuracy", "data.noise=0.2/attention/injected"]), units(["cost/gflops"])
        ('Accuracies are in percent. Shares of attention are in percent.', 'Each column has its own unit.')
    """
    names = list(names)
    others = [name for name in names if not name.endswith(ATTENTION)]
    if any(name.startswith("cost/") for name in others):
        return "Each column has its own unit."
    told = [wording.units(others)] if others else []
    return " ".join([*told, *(["Shares of attention are in percent."] if len(others) < len(names) else [])])
