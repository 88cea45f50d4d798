"""Images with captions from the shapes world, made as they are needed: what shapes-tiny is pretrained on."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, TypedDict

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from lightning.pytorch import LightningDataModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from aape_lightning.backbones.clip import ClipBackbone, clip
from aape_lightning.data.loading import LateLoader
from aape_lightning.data.samplers import EpochSampler, replicas
from aape_lightning.data.shapes.captions import caption
from aape_lightning.data.shapes.chance import random_of
from aape_lightning.data.shapes.classes import CLASS_NAMES
from aape_lightning.data.shapes.render import render
from aape_lightning.data.shapes.scene import sample_scene, sample_style
from aape_lightning.data.shapes.vocabulary import RARE_WORDS
from aape_lightning.data.shapes.world import shapes_scene, shapes_split
from aape_lightning.errors import DataError

__all__ = ["CaptionBatch", "ShapesPretrainingDataModule", "ZeroShotBatch", "normalise"]


class CaptionBatch(TypedDict):
    """Images with one caption each.

    Attributes:
        image: Normalised as CLIP's transform does it.
        tokens: The captions, tokenised, cut at the context length.
    """

    image: Float[Tensor, "b 3 h w"]
    tokens: Int[Tensor, "b t"]


class ZeroShotBatch(TypedDict):
    """Labelled images and the texts of all classes.

    Attributes:
        image: Normalised as CLIP's transform does it.
        label: Position of each image's class in `class_tokens`.
        class_tokens: Each class's name in the template "a photo of a {}.".
        groups: For each group of classes, which images belong to it.
    """

    image: Float[Tensor, "b 3 h w"]
    label: Int[Tensor, " b"]
    class_tokens: Int[Tensor, "c t"]
    groups: dict[str, Bool[Tensor, " b"]]


class ShapesPretrainingDataModule(LightningDataModule):
    """Fresh scenes of the shapes world in every step, and its classes for zero-shot validation.

    Args:
        batch_size: Images a step and process.
        steps_per_epoch: Steps between two validations; every epoch shows new scenes.
        context_length: Length of the texts in tokens; the model's.
        named_share: Share of captions that use proper names, the only ones in which rare words occur.
        style_shares: Share of each drawing style but `flat`, which takes the rest.
        num_workers: Processes that draw images beside training. Drawing takes a seventh of a step; on a machine with
            few cores a process of its own costs more than that.
        seed: Seed of the scenes and captions.
    """

    def __init__(
        self,
        *,
        batch_size: int = 128,
        steps_per_epoch: int = 250,
        context_length: int = 32,
        named_share: float = 0.01,
        style_shares: dict[str, float] | None = None,
        num_workers: int = 0,
        seed: int = 1,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        if not 0 <= named_share <= 1:
            raise DataError(f"named_share is {named_share}; it is a share, from 0 to 1.")

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Batches of new scenes with captions."""
        hparams = self.hparams
        batches = _CaptionedScenes(
            hparams["batch_size"],
            hparams["context_length"],
            hparams["named_share"],
            hparams["style_shares"] or {},
            hparams["seed"],
            **replicas(self.trainer),
        )
        workers = hparams["num_workers"]
        return LateLoader(
            batches,
            batch_size=None,
            sampler=_NewSteps(hparams["steps_per_epoch"], self.trainer),
            num_workers=workers,
            persistent_workers=workers > 0,
        )

    def val_dataloader(self) -> DataLoader[dict[str, Any]]:
        """The validation images of all classes, in one batch."""
        return DataLoader(_ValidationImages(self.hparams["context_length"]), batch_size=None)

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Normalise the images on the device; they travel as bytes."""
        return batch | {"image": normalise(batch["image"])}


def normalise(images: UInt8[Tensor, "b h w 3"]) -> Float[Tensor, "b 3 h w"]:
    """What CLIP's transform makes of images that already have the right size."""
    mean = torch.tensor(ClipBackbone.image_mean, device=images.device)
    std = torch.tensor(ClipBackbone.image_std, device=images.device)
    # The permuted view has torch's channels_last layout, in which convolutions are faster on a CPU.
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)


class _CaptionedScenes(Dataset[dict[str, Tensor]]):
    """A process's part of batch number i of an endless list; the batch depends on the seed, i and its size alone."""

    def __init__(
        self,
        batch_size: int,
        context_length: int,
        named_share: float,
        style_shares: Mapping[str, float],
        seed: int,
        *,
        num_replicas: int,
        rank: int,
    ) -> None:
        self.size = batch_size * num_replicas
        self.mine = slice(rank * batch_size, (rank + 1) * batch_size)
        self.context_length = context_length
        self.named_share = named_share
        self.style_shares = style_shares
        self.seed = seed

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        random = random_of(f"pretraining {self.seed} {step}")
        scenes = [sample_scene(random, style=sample_style(random, self.style_shares)) for _ in range(self.size)]
        captions = [caption(scene, random, named_share=self.named_share) for scene in scenes]
        return {
            "image": torch.from_numpy(render(scenes[self.mine])),
            "tokens": _tokenize(captions[self.mine], self.context_length),
        }


class _NewSteps(EpochSampler[int]):
    """The numbers of an epoch's batches, which go on where the epoch before ended; the same in every process."""

    def __init__(self, steps: int, trainer: Trainer | None) -> None:
        super().__init__(trainer)
        self.steps = steps

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of each epoch, after resuming too."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[int]:
        start = self.epoch * self.steps
        return iter(range(start + self.behind(), start + self.steps))


class _ValidationImages(Dataset[dict[str, Any]]):
    """One item: all validation images of the world's classes."""

    def __init__(self, context_length: int) -> None:
        self.context_length = context_length

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index:
            raise IndexError(index)
        items = shapes_split().val
        label = np.array([item.label for item in items])
        rare = np.array([bool(RARE_WORDS & set(name.split())) for name in CLASS_NAMES])
        base = label < len(CLASS_NAMES) // 2
        groups = {"base": base, "new": ~base, "rare": rare[label], "common": ~rare[label]}
        return {
            "image": torch.from_numpy(render([shapes_scene(item.path) for item in items])),
            "label": torch.from_numpy(label),
            "class_tokens": _tokenize([f"a photo of a {name}." for name in CLASS_NAMES], self.context_length),
            "groups": {name: torch.from_numpy(member) for name, member in groups.items()},
        }


def _tokenize(texts: list[str], context_length: int) -> Int[Tensor, "b t"]:
    """CLIP's tokens, word by word from a cache: clip's own function takes longer than drawing the images."""
    start, end = _vocabulary()["<|startoftext|>"], _vocabulary()["<|endoftext|>"]
    tokens = torch.zeros(len(texts), context_length, dtype=torch.long)
    for row, text in zip(tokens, texts, strict=True):
        words = [token for word in text.split() for token in _word_tokens(word)]
        line = [start, *words[: context_length - 2], end]
        row[: len(line)] = torch.tensor(line)
    return tokens


@lru_cache(maxsize=1 << 14)
def _word_tokens(word: str) -> tuple[int, ...]:
    # CLIP's tokeniser never joins across a space, so a text's tokens are those of its words.
    return tuple(clip.clip._tokenizer.encode(word))


def _vocabulary() -> dict[str, int]:
    encoder: dict[str, int] = clip.clip._tokenizer.encoder
    return encoder
