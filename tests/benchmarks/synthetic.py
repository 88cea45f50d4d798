"""Data without files: random features, sentences and pixels of a dataset's sizes, for the real tasks and Trainer."""

import logging
import time
from dataclasses import dataclass

import torch
from aape_lightning.data import ClassificationDataModule
from aape_lightning.data.features import Views
from aape_lightning.data.loaded import LoadedImages
from aape_lightning.data.loading import ImageDataset, ImageLoader, collate_images
from aape_lightning.prompts import PromptBank
from aape_lightning.tasks import ClassificationTask
from lightning.pytorch import Callback, Trainer
from measuring import DEVICE, finish, random_clip_path
from torch.nn import functional as F


@dataclass(frozen=True)
class Sizes:
    """How much there is: training images, classes, sentences a class, stored views an image, embedding width."""

    images: int = 1600
    classes: int = 100
    sentences: int = 50
    views: int = 8
    width: int = 512


CALTECH = Sizes()  # 16 shots of all classes, CuPL's sentences, the recipe's views


class SyntheticData(ClassificationDataModule):
    """A ClassificationDataModule that makes up in `setup` what the real one reads from stores and banks.

    Where the store is not read its loader yields pixels that no one had to decode.
    """

    sizes = CALTECH

    def setup(self, stage):
        self.setup_backbone()
        sizes, device = self.sizes, self.device
        torch.manual_seed(0)
        # As many tokens as the longest name of Caltech-101 has, three: digits are tokens of their own.
        self.class_names = [f"kind {number}" for number in range(sizes.classes)]
        self.class_embeddings = unit(sizes.classes, sizes.width)
        self.bank = bank(sizes)
        labels = torch.arange(sizes.images, device=device) % sizes.classes
        features = unit(sizes.images, sizes.views, sizes.width) if self.reads_store else None
        anything = [""] * sizes.images
        self._parts["train"] = LoadedImages(
            items=anything, paths=anything, views=Views(), keys=labels, features=features
        )

    def embed_class_names(self, templates):
        """What PromptSRC asks for once a run."""
        return unit(self.sizes.classes, self.sizes.width)

    def _loader(self, loaded, sampler, batch_size):
        if self.reads_store:
            return super()._loader(loaded, sampler, batch_size)
        pixels = _Pixels(self.backbone.input_size)
        return ImageLoader(pixels, batch_size=batch_size, sampler=sampler, collate_fn=collate_images)


class _Pixels(ImageDataset):
    """The same noise for every image."""

    def __init__(self, size):
        self.pixels = torch.rand(3, size, size)

    def load(self, key):
        return {"index": key[1], "image": self.pixels}


def unit(*shape):
    """Random unit-norm embeddings on DEVICE."""
    return F.normalize(torch.randn(shape, device=DEVICE), dim=-1)


def bank(sizes):
    """Equally many random sentences a class, on DEVICE."""
    count = sizes.classes * sizes.sentences
    offsets = torch.arange(0, count + 1, sizes.sentences, device=DEVICE)
    return PromptBank(unit(count, sizes.width), offsets, [str(k) for k in range(sizes.classes)], [""] * count)


def synthetic_data(sizes=CALTECH, backbone="ViT-B/16", **choices):
    """The DataModule over a random backbone; `choices` are those of ClassificationDataModule."""
    data = SyntheticData("caltech101", root=".", backbone=str(random_clip_path(backbone)), **choices)
    data.sizes = sizes
    return data


class EpochClock(Callback):
    """Seconds of each epoch by stage, from its start to the next one's, so that what lies between is in."""

    def __init__(self):
        self.epochs = {}
        self._began = None

    def on_train_epoch_start(self, trainer, pl_module):
        # Ahead of the task's own hook, which moves on to the next stage: `stage` is still that of the epoch before.
        self._lap(pl_module)

    def on_train_end(self, trainer, pl_module):
        self._lap(pl_module)

    def _lap(self, task):
        finish()
        now = time.perf_counter()
        if self._began is not None:
            self.epochs.setdefault(task.stage, []).append(now - self._began)
        self._began = now


class StepClock(Callback):
    """Seconds of each step of the first epoch, loading included."""

    def __init__(self):
        self.steps = []

    def on_train_epoch_start(self, trainer, pl_module):
        self._last = time.perf_counter()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        finish()
        now = time.perf_counter()
        self.steps.append(now - self._last)
        self._last = now


def quiet_trainer(epochs, *callbacks, **choices):
    """A Trainer on DEVICE that writes nothing and validates nothing."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    return Trainer(
        accelerator="gpu" if DEVICE == "cuda" else "cpu",
        devices=1,
        max_epochs=epochs,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        **choices,
    )


def aape_epochs(sizes, batch_size, **epochs):
    """As `all_aape_epochs`, the first of each stage left out: summaries are computed in it and the optimizer is made.

    Args:
        sizes: The dataset's.
        batch_size: Images a step.
        epochs: Epochs that are told of, by stage.
    """
    one_more = {stage: count + 1 for stage, count in epochs.items()}
    return {stage: found[1:] for stage, found in all_aape_epochs(sizes, batch_size, **one_more).items()}


def all_aape_epochs(sizes, batch_size, *, aggregator, generator):
    """Seconds of AAPE's epochs from stored features by stage; the towers of the backbone do no work here.

    Args:
        sizes: The dataset's.
        batch_size: Images a step.
        aggregator: Epochs of the aggregator's stage.
        generator: Epochs of the generator's stage.
    """
    clock = EpochClock()
    data = synthetic_data(sizes, "tiny", batch_size=batch_size)
    task = ClassificationTask(aggregator_epochs=aggregator)
    quiet_trainer(aggregator + generator, clock).fit(task, datamodule=data)
    return clock.epochs
