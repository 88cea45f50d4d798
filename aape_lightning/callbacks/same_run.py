"""A run is resumed with the data and the steps that it began with, or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn

from aape_lightning.errors import CheckpointError
from aape_lightning.resources import manifest_names

__all__ = ["SameRun"]

_STEPS = "steps"
_DATA = "datamodule_hyper_parameters"  # Lightning's own key
# Where and how to compute; the backbone is held to by its fingerprint, and the batch size by the images a step.
_FREE = frozenset({"root", "cache_dir", "num_workers", "backbone", "batch_size"})


class SameRun(Callback):
    """Records of what a run makes its steps, and refuses to go on from its checkpoint with others.

    A seed, a dataset, a number of shots or of images a step that is not the run's would give a run that is neither the
    old nor a new one. As many images a step on another number of processes are allowed, with a warning: gradients are
    then summed in another order.
    """

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Record the steps; Lightning records the data."""
        checkpoint[_STEPS] = _steps(trainer)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Compare the run with the one that is resumed.

        Raises:
            CheckpointError: If it would train on other data, or in other steps.
        """
        if not trainer.training:  # what was trained may be tested on other data
            return
        data = dict(getattr(getattr(trainer, "datamodule", None), "hparams", {}))
        changed = _changes(checkpoint.get(_DATA) or {}, data, "data", _FREE)
        began, now = checkpoint.get(_STEPS), _steps(trainer)
        if began is not None:
            changed += _changes(began, now, "trainer", frozenset({"processes", "images", "accumulated"}))
            if began["images"] != now["images"]:
                changed.append(
                    f"images a step {began['images']} and {now['images']} (data.batch_size x processes x "
                    f"trainer.accumulate_grad_batches; it ran on {began['processes']} processes)"
                )
            elif began.get("accumulated", now["accumulated"]) != now["accumulated"] and _within_an_epoch(checkpoint):
                changed.append(
                    f"trainer.accumulate_grad_batches {began['accumulated']} and {now['accumulated']} (the checkpoint "
                    "was written inside an epoch, and counts its batches)"
                )
        if changed:
            raise CheckpointError(
                f"The run was begun with one value and is resumed with another: {'; '.join(changed)}. Resume it as it "
                "began, with the config.yaml beside its last.ckpt, or train anew."
            )
        if began is not None and began["processes"] != now["processes"]:
            rank_zero_warn(
                f"The run was begun on {began['processes']} processes and is resumed on {now['processes']}: its "
                "batches are the same, and its weights will be, but for rounding."
            )


def _steps(trainer: Trainer) -> dict[str, Any]:
    batch = getattr(getattr(trainer, "datamodule", None), "hparams", {}).get("batch_size", 0)
    return {
        "images": batch * trainer.world_size * trainer.accumulate_grad_batches,
        "processes": trainer.world_size,
        "accumulated": trainer.accumulate_grad_batches,
        "precision": str(trainer.precision),
    }


def _within_an_epoch(checkpoint: Mapping[str, Any]) -> bool:
    epochs = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]
    return bool(epochs["started"] > epochs["processed"])


def _changes(began: Mapping[str, Any], now: Mapping[str, Any], group: str, free: frozenset[str]) -> list[str]:
    """Each value that differs."""
    return [
        f"{group}.{name} {began[name]!r} and {now[name]!r}"
        for name in began
        if name not in free and name in now and _named(began[name]) != _named(now[name])
    ]


def _named(value: object) -> object:
    """A value as it is compared: of a file or folder its name, for data move; a domain keeps that of its dataset."""
    if isinstance(value, list | tuple):
        return [_named(part) for part in value]
    if not isinstance(value, str) or value.partition("/")[0] in manifest_names():
        return value
    return Path(value).name
