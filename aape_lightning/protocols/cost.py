"""The cost protocol: what a method takes in parameters, operations, time and memory (the paper's Table 7, measured).

Nothing is trained to its end: a few steps of each stage are, and the rest is reckoned from them, so that every method
is measured within a minute on the same device.
"""

from lightning.pytorch import LightningModule, Trainer

from aape_lightning.callbacks import RunFiles
from aape_lightning.data import ClassificationDataModule
from aape_lightning.protocols.cost_counting import PeakMemory, trained_parameters
from aape_lightning.protocols.cost_inference import measure_inference
from aape_lightning.protocols.cost_training import measure_training
from aape_lightning.protocols.jobs import Measured, Protocol
from aape_lightning.protocols.names import COST
from aape_lightning.protocols.provenance import device_name
from aape_lightning.protocols.training import timed

__all__ = ["PROTOCOL", "contents", "measure"]


def measure(task: LightningModule, data: ClassificationDataModule, trainer: Trainer) -> Measured:
    """Measure a method on a dataset.

    Args:
        task: The method; one with `training_free` has no costs of training. It is unfit for results afterwards.
        data: The dataset: its number of classes and images counts.
        trainer: The recipe's; what it writes of a run is left out.

    Returns:
        `cost/parameters`: trained ones that inference needs. `cost/gflops`: operations in 10^9 from one image to its
        logits, image tower included, class embeddings known. `cost/train_gflops`: of a training step's forward pass,
        for each image of the batch; with the image tower where training runs it, so not where it reads stored
        embeddings. `cost/images_per_second`, at a batch of 32. `cost/train_images_per_second`, loading included.
        `cost/train_seconds`: the whole training of the recipe, reckoned from the steps; without the making of stores,
        which is done once for all methods. `cost/peak_memory_mib`: of training, or of inference where nothing is
        trained; left out where the system does not tell.
    """
    trainer.callbacks = [kept for kept in trainer.callbacks if not isinstance(kept, RunFiles)]  # type: ignore[attr-defined]
    metrics: dict[str, float] = {}
    seconds: dict[str, float] = {}
    trains = not getattr(task, "training_free", False)
    data.trainer = trainer
    with timed(seconds, "prepare"):
        data.setup("fit" if trains else "test")
    memory = PeakMemory(trainer.strategy.root_device)
    if trains:
        with timed(seconds, "fit"):
            training = measure_training(task, data, trainer, memory)
        metrics["train_gflops"] = training.gflops
        metrics["train_images_per_second"] = training.images_per_second
        metrics["train_seconds"] = training.seconds
        peak = memory.mib()
    with timed(seconds, "test"):
        inference = measure_inference(task, data, trainer)
    if trains and not data.reads_store and data.hparams["inputs"] == "embedding":
        metrics["train_gflops"] += inference.tower_gflops  # the DataModule runs the tower ahead of every step
    metrics |= {
        "parameters": float(trained_parameters(task)),
        "gflops": inference.gflops,
        "images_per_second": inference.images_per_second,
    }
    if (peak := peak if trains else memory.mib()) is not None:
        metrics["peak_memory_mib"] = peak
    return Measured({f"cost/{name}": value for name, value in metrics.items()}, seconds=seconds)


def contents(data: ClassificationDataModule, trainer: Trainer) -> list[str]:
    """The device: what was measured on one is no result for another."""
    return [device_name(trainer.strategy.root_device)]


PROTOCOL = Protocol(COST, measure, contents=contents)
