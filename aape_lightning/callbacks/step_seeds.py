"""Random numbers of a training step that depend on the run's seed and the step alone."""

import hashlib
import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

__all__ = ["StepSeeds"]


class StepSeeds(Callback):
    """Seeds torch's global generators, which dropout draws from, before each training step.

    Those of numpy and Python, which user code may draw from, are seeded before the first step of an epoch. What was
    drawn before does not matter: whether a cache existed, how many workers a loader has, or whether the run was
    resumed. Each process has numbers of its own.

    The seed is drawn when the callback is made, so it follows `seed_everything`; a resumed run has that of its
    checkpoint.
    """

    def __init__(self) -> None:
        self.seed = int(torch.randint(2**62, ()))

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:  # noqa: ANN401
        """Seed the step."""
        step = f"{self.seed} {trainer.global_rank} {trainer.current_epoch} {batch_idx}"
        seed = int.from_bytes(hashlib.blake2b(step.encode(), digest_size=7).digest(), "big")
        torch.default_generator.manual_seed(seed)  # torch.manual_seed takes a hundred times as long
        device = pl_module.device
        if device.type != "cpu":
            torch.get_device_module(device).manual_seed(seed)
        if batch_idx == 0:
            random.seed(seed)
            np.random.seed(seed % 2**32)

    def state_dict(self) -> dict[str, int]:
        """The seed, for a run that is resumed."""
        return {"seed": self.seed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the seed of the run."""
        self.seed = state_dict["seed"]
