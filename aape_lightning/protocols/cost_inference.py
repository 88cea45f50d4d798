"""What inference costs: from images to logits, with all that depends on the classes alone known."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, cast

import torch
from jaxtyping import Float
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from aape_lightning.batch import ClassificationBatch
from aape_lightning.data import ClassificationDataModule
from aape_lightning.protocols.cost_counting import counted_flops, finished
from aape_lightning.tasks.evaluation import ClassifierEvaluation

__all__ = ["InferenceCost", "measure_inference"]

_BATCH = 32
_REPEATS, _BUDGET = 7, 10.0  # at the most so many, and no further one after so many seconds


@dataclass(frozen=True)
class InferenceCost:
    """One image's way to its logits.

    Attributes:
        gflops: Of the image tower and the method's part for one image.
        tower_gflops: Of the frozen image tower alone.
        images_per_second: At a batch of 32: the median of several passes after one to warm up.
    """

    gflops: float
    tower_gflops: float
    images_per_second: float


class _Inference(Callback):
    """Measures inside a test, where the task is as it is when it is used: in evaluation, with its classes prepared."""

    def __init__(self, data: ClassificationDataModule) -> None:
        self.data = data

    def on_test_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Any,  # noqa: ANN401
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Measure on pixels of no image in particular."""
        task = cast(ClassifierEvaluation, pl_module)
        size = self.data.backbone.input_size
        pixels = torch.rand(_BATCH, 3, size, size, generator=torch.Generator().manual_seed(0)).to(task.device)

        def run(images: Float[Tensor, "b 3 h w"]) -> None:
            with torch.inference_mode(False), torch.no_grad(), trainer.precision_plugin.forward_context():
                task.batch_logits(self._batch(images, batch["class_embeddings"]))

        with counted_flops() as counter:
            run(pixels[:1])
        with counted_flops() as tower_counter:
            self.data.backbone.to(task.device).encode_image(pixels[:1])
        seconds = _timed(lambda: run(pixels), task.device)
        self.cost = InferenceCost(
            gflops=counter.get_total_flops() / 1e9,
            tower_gflops=tower_counter.get_total_flops() / 1e9,
            images_per_second=_BATCH / seconds,
        )

    def _batch(self, images: Float[Tensor, "b 3 h w"], classes: Float[Tensor, "c d"]) -> ClassificationBatch:
        if self.data.hparams["inputs"] == "image":
            seen: dict[str, Any] = {"image": images}
        else:
            seen = {"image_embedding": self.data.backbone.to(images.device).encode_image(images)}
        return cast(ClassificationBatch, seen | {"class_embeddings": classes})


def _timed(run: Callable[[], None], device: torch.device) -> float:
    """Seconds of a run: the median."""
    run()
    found: list[float] = []
    while len(found) < _REPEATS and sum(found) < _BUDGET:
        finished(device)
        start = time.perf_counter()
        run()
        finished(device)
        found.append(time.perf_counter() - start)
    return median(found)


def measure_inference(task: LightningModule, data: ClassificationDataModule, trainer: Trainer) -> InferenceCost:
    """Test a task on one batch, and measure there what it costs to classify images.

    Args:
        task: The method, trained or training-free.
        data: The dataset, whose classes are to choose from.
        trainer: Tests.
    """
    inference, limit = _Inference(data), trainer.limit_test_batches
    trainer.limit_test_batches = 1
    trainer.callbacks.append(inference)  # type: ignore[attr-defined]
    try:
        trainer.test(task, datamodule=data, verbose=False)
    finally:
        trainer.callbacks.remove(inference)  # type: ignore[attr-defined]
        trainer.limit_test_batches = limit
    return inference.cost
