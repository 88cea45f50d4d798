"""`aape fit` whose power is cut at the end of an epoch or after a step, and what tells two checkpoints apart.

python cut_fit.py EPOCH STEP fit --config RECIPE ...   (what is below 0 cuts nothing)
"""

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # this tree's package, whichever is installed

import torch
from aape_lightning import cli
from aape_lightning.callbacks import RunFiles

CUT = 3  # the exit code of a run whose power was cut


class PowerCut(Exception):
    """What stops a run."""


class CutRunFiles(RunFiles):
    """Writes `last.ckpt` after every epoch; cuts the power then, or in the first hook after a number of steps."""

    cut_after = -1
    cut_step = -1

    def __init__(self):
        super().__init__(every_seconds=0.0)

    def _cut(self, trainer):
        if not trainer.sanity_checking and trainer.global_step == self.cut_step:
            raise PowerCut

    def on_train_batch_start(self, trainer, *_):
        self._cut(trainer)

    def on_validation_start(self, trainer, pl_module):
        self._cut(trainer)

    def on_train_epoch_end(self, trainer, pl_module):
        self._cut(trainer)
        super().on_train_epoch_end(trainer, pl_module)
        if trainer.current_epoch == self.cut_after:
            raise PowerCut


def fit(words, cut_after=-1, cut_step=-1):
    """`aape WORDS` in this process; whether it came to its end."""
    CutRunFiles.cut_after, CutRunFiles.cut_step = cut_after, cut_step
    kept, cli.RunFiles = cli.RunFiles, CutRunFiles
    try:
        cli.main([str(word) for word in words])
    except PowerCut:
        return False
    finally:
        cli.RunFiles = kept
    return True


def load(path):
    return torch.load(path, map_location="cpu", weights_only=True)


def logged(path):
    """The metrics of each row of a `metrics.csv`, without columns that the row lacks."""
    with path.open() as file:
        return [{name: value for name, value in row.items() if value} for row in csv.DictReader(file)]


def first_difference(one, other, place=""):
    """Where two trees of plain values and tensors differ first; None where they are equal bit for bit."""
    if type(one) is not type(other):
        return f"{place}: {type(one).__name__} and {type(other).__name__}"
    if isinstance(one, Mapping):
        if list(one) != list(other):
            return f"{place}: keys {list(one)} and {list(other)}"
        found = (first_difference(one[key], other[key], f"{place}/{key}") for key in one)
        return next(filter(None, found), None)
    if isinstance(one, torch.Tensor):
        alike = one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)
        return None if alike else f"{place}: {one.flatten()[:4]} and {other.flatten()[:4]}"
    if isinstance(one, Sequence) and not isinstance(one, str):
        if len(one) != len(other):
            return f"{place}: {len(one)} and {len(other)} entries"
        found = (
            first_difference(*pair, f"{place}/{number}") for number, pair in enumerate(zip(one, other, strict=True))
        )
        return next(filter(None, found), None)
    return None if one == other or (one != one and other != other) else f"{place}: {one!r} and {other!r}"


if __name__ == "__main__":
    sys.exit(0 if fit(sys.argv[3:], int(sys.argv[1]), int(sys.argv[2])) else CUT)
