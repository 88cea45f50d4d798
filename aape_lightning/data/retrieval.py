"""Image-text retrieval: images paired with their own captions, and all captions of a part to rank."""

from collections.abc import Sequence
from typing import Any, cast

import pandas as pd
import torch

from aape_lightning.batch import RetrievalBatch
from aape_lightning.data.captioned import CaptionedDataModule, TrainingPart
from aape_lightning.data.encoding import Precision
from aape_lightning.data.loaded import LoadedImages
from aape_lightning.data.splits import Part
from aape_lightning.prompts import PromptBank

__all__ = ["RetrievalDataModule"]


class RetrievalDataModule(CaptionedDataModule):
    """Images with their captions as prompts, as `RetrievalBatch`es on the device.

    Zero-shot transfer is testing with another `manifest` than was trained on.

    Args:
        manifest: Short name or path of a manifest of captions.
        root: The data root, under which the dataset's folder lies; the manifest's own where not given, else the current
            folder.
        backbone: Name or path for `load_backbone`.
        train_on: The part whose captions are trained on: `train`, or `val` where the backbone itself was trained on
            the training part and knows its images by heart. Nothing is validated then.
        seed: Seed of the order, of which caption an epoch uses, and of the augmentation.
        store: Read image embeddings from the feature store; otherwise images go through the tower in every step.
        views: Augmented views a training image (random crop and flip) that epochs choose from; 0 for the centre crop.
        batch_size: Training images a batch and process: each has all the others' captions as its negatives.
        tower_precision: Precision of the image tower when stores are built: `float32`, or `bfloat16` or `float16` by
            autocast, which a GPU computes faster; stores of different precisions are different stores.
        num_workers: Processes that decode images; one a core, at most 8, where not given.
        cache_dir: Folder of stores and banks; `$AAPE_CACHE` or `~/.cache/aape` where not given.
    """

    def __init__(
        self,
        manifest: str = "shapes_captions",
        root: str | None = None,
        *,
        backbone: str = "ViT-L/14",
        train_on: TrainingPart = "train",
        seed: int = 1,
        store: bool = True,
        views: int = 0,
        batch_size: int = 256,
        tower_precision: Precision = "float32",
        num_workers: int | None = None,
        cache_dir: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.place_captions()
        self._captions: dict[Part, PromptBank] = {}

    def pair(self, batch: dict[str, Any], part: Part, loaded: LoadedImages) -> RetrievalBatch:
        """Add one caption an image, in training."""
        if part == "train":
            assert self.bank is not None
            batch["caption"] = self.bank.embeddings[self.drawn_captions()[batch["index"]]]
        return cast(RetrievalBatch, batch)

    def captions(self) -> PromptBank:
        """All captions of the part in use, one entry an image, on the device."""
        part = self.part_in_use()
        if part not in self._captions:
            self._captions[part] = self.caption_bank(self._parts[part].items)
        return self._captions[part]

    def prediction_table(self, predictions: Sequence[Any]) -> pd.DataFrame:
        """One row an image: path, the caption of the part that it finds first, its cosine, and whether it is its own.

        Args:
            predictions: What `predict_step` returned, batch by batch.
        """
        items = self.test_items()
        captions = self.caption_bank(items).to(torch.device("cpu"))  # where Lightning hands predictions over
        index = torch.cat([batch["index"] for batch in predictions])
        found = [(batch["query"] @ captions.embeddings.T).max(dim=-1) for batch in predictions]
        score, row = (torch.cat(values) for values in zip(*found, strict=True))
        return pd.DataFrame(
            {
                "path": [items[i].path for i in index.tolist()],
                "caption": [captions.texts[k] for k in row.tolist()],
                "cosine": score.numpy(),
                "correct": (captions.owner[row] == index).numpy(),
            }
        )
