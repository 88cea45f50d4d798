"""A run that was cut inside an epoch goes on as if it had not been.

Where in the epoch it was is known to Lightning and to the training loaders; this adds what they do not keep.
"""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

__all__ = ["MidEpoch"]

_MEANS = "epoch_means"


class MidEpoch(Callback):
    """Keeps the sums behind an epoch's logged means, and ends an epoch that was cut after its last batch.

    Lightning would take such an epoch for a finished one: it would neither validate it, nor log its means, nor start
    the next one, in which a second stage may begin.
    """

    def __init__(self) -> None:
        self._to_validate = False

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add each process's sums; between epochs there are none."""
        means, epoch = getattr(pl_module, "means", None), trainer.fit_loop.epoch_progress.current
        if means is not None and epoch.started > epoch.processed:  # type: ignore[attr-defined]
            checkpoint[_MEANS] = {
                name: _of_all_processes(trainer, pl_module, state) for name, state in means.state_dict().items()
            }

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Go on with this process's sums, and behind the last batch."""
        if not trainer.training:
            return
        means = getattr(pl_module, "means", None)
        if means is not None and _MEANS in checkpoint:
            mine = {name: _of_this_process(trainer, states) for name, states in checkpoint[_MEANS].items()}
            means.load_state_dict(mine, trainer.strategy.root_device)
        loops = checkpoint.get("loops", {}).get("fit_loop")
        if loops is not None:
            self._end_epoch(trainer, loops)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the batches of a validation that was asked for from the first one."""
        if self._to_validate:
            trainer.fit_loop.epoch_loop.val_loop.batch_progress.total.reset()
            self._to_validate = False

    def _end_epoch(self, trainer: Trainer, loops: dict[str, Any]) -> None:
        """Make of a checkpoint that was written after an epoch's last batch one of which the epoch's end is left."""
        epoch, batch = loops["epoch_progress"]["current"], loops["epoch_loop.batch_progress"]
        total, current = batch["total"], batch["current"]
        cut = batch["is_last_batch"] and total["completed"] == total["processed"] - 1
        if not cut or epoch["processed"] != epoch["started"] - 1:
            return
        total["completed"] += 1
        current["completed"] += 1
        every = trainer.check_val_every_n_epoch
        if trainer.enable_validation and (every is None or epoch["started"] % every == 0):
            self._to_validate = True
            validation = loops["epoch_loop.val_loop.batch_progress"]
            validation["total"] |= {"ready": 1, "started": 1, "processed": 0, "completed": 0}  # cut in its first batch
            validation["current"] |= dict.fromkeys(validation["current"], 0)
        else:
            loops["epoch_loop.state_dict"]["_batches_that_stepped"] += 1


def _of_all_processes(trainer: Trainer, pl_module: LightningModule, state: Tensor) -> Tensor:
    if trainer.world_size == 1:
        return state[None].cpu()
    gathered: Any = pl_module.all_gather(state.to(pl_module.device))
    return torch.as_tensor(gathered).cpu()


def _of_this_process(trainer: Trainer, states: Tensor) -> Tensor:
    """Its own sums; an equal share of all where the number of processes is another."""
    same = len(states) == trainer.world_size
    return states[trainer.global_rank] if same else states.sum(0) / trainer.world_size
