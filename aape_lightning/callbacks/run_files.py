"""What a training run leaves behind, each file whole or absent.

`last.ckpt` resumes the run; `aape.ckpt` is what inference needs: generator, head, plain hyper-parameters, name and
fingerprint of the backbone, and what the DataModule records for it (class names and their embeddings, templates,
decoding); `aggregator.safetensors` is for reports. None holds the backbone or a language model.
"""

import time
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from safetensors.torch import save_file
from torch import Tensor

from aape_lightning.callbacks.checkpoint_io import AtomicCheckpointIO
from aape_lightning.data.recorded import Recorded
from aape_lightning.files import atomic_path

__all__ = ["RunFiles"]

_AGGREGATOR = "aggregator."
_RECORDED = "inference"
_INFERENCE_KEYS = ("pytorch-lightning_version", "epoch", "global_step", "hyper_parameters", "hparams_name", _RECORDED)


class RunFiles(Callback):
    """Writes a run's files into `folder`.

    Args:
        folder: Where to; the Trainer's `default_root_dir` where not given.
        every_seconds: `last.ckpt` is written at the end of an epoch when this much time has passed, and at the end.
    """

    def __init__(self, folder: str | None = None, *, every_seconds: float = 20.0) -> None:
        self.folder = folder
        self.every_seconds = every_seconds
        self._written = time.monotonic()
        self._complete = False

    def _path(self, trainer: Trainer, name: str) -> Path:
        return Path(self.folder or trainer.default_root_dir) / name

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Have checkpoints written whole or not at all, unless a plugin was chosen for that."""
        self._complete = False
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
            trainer.strategy.checkpoint_io = AtomicCheckpointIO()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add what the DataModule records for inference."""
        data: Any = getattr(trainer, "datamodule", None)
        if hasattr(data, "recorded"):
            recorded: Recorded = data.recorded()
            checkpoint[_RECORDED] = {"values": recorded.values, "tensors": recorded.tensors}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write `last.ckpt` when it is due; processes agree, since saving waits for all of them.

        After the last epoch `on_train_end` does: what a task does at that epoch's end, it has not done yet.
        """
        if trainer.current_epoch + 1 == trainer.max_epochs:
            return
        due = trainer.strategy.broadcast(time.monotonic() - self._written >= self.every_seconds)
        if due and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            self._save_last(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write all files of a finished run."""
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        self._save_last(trainer)
        self._save_derived(trainer, self._path(trainer, "last.ckpt"))

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what inference needs where a run that was over is resumed: it was killed before that, perhaps."""
        if not self._complete and trainer.ckpt_path and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            self._save_derived(trainer, Path(trainer.ckpt_path))

    def _save_derived(self, trainer: Trainer, path: Path) -> None:
        """Write what is made of a checkpoint."""
        self._complete = True
        if trainer.is_global_zero:
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
            self._save_for_inference(trainer, checkpoint)
            self._save_aggregator(trainer, checkpoint["state_dict"])

    def _save_last(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self._path(trainer, "last.ckpt"))
        self._written = time.monotonic()

    def _save_for_inference(self, trainer: Trainer, whole: dict[str, Any]) -> None:
        checkpoint = {key: whole[key] for key in _INFERENCE_KEYS if key in whole}
        checkpoint["state_dict"] = {
            name: tensor for name, tensor in whole["state_dict"].items() if not name.startswith(_AGGREGATOR)
        }
        if "stage" in whole and checkpoint["state_dict"]:  # a task of this method, and not the aggregator alone
            AtomicCheckpointIO().save_checkpoint(checkpoint, self._path(trainer, "aape.ckpt"))

    def _save_aggregator(self, trainer: Trainer, state_dict: dict[str, Tensor]) -> None:
        tensors = {
            name.removeprefix(_AGGREGATOR): tensor.contiguous()
            for name, tensor in state_dict.items()
            if name.startswith(_AGGREGATOR)
        }
        if tensors:
            with atomic_path(self._path(trainer, "aggregator.safetensors")) as temporary:
                save_file(tensors, temporary, {"format": "pt"})
