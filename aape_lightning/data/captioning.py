"""Captioning: image tokens for a language model, paired with one of the image's captions to learn."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal, cast

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from aape_lightning.batch import LanguageBatch
from aape_lightning.data.captioned import CaptionedDataModule, TrainingPart
from aape_lightning.data.conditions import conditions
from aape_lightning.data.encoding import Precision
from aape_lightning.data.features import Views
from aape_lightning.data.loaded import LoadedImages
from aape_lightning.data.memory import to_device
from aape_lightning.data.readers.captions import CaptionedImage
from aape_lightning.data.recorded import Recorded
from aape_lightning.data.splits import Part
from aape_lightning.data.tested import ConditionedDataModule
from aape_lightning.data.text_sources import said_behind
from aape_lightning.language import Decoding
from aape_lightning.metrics import available_tokenizer

__all__ = ["CaptioningDataModule"]


class CaptioningDataModule(ConditionedDataModule, CaptionedDataModule):
    """Images with their captions, as `LanguageBatch`es on the device.

    What may differ between training and a test of the same checkpoint is here, and not among the task's
    hyper-parameters, which a checkpoint brings with it.

    Args:
        manifest: Short name or path of a manifest of captions.
        root: The data root, under which the dataset's folder lies; the manifest's own where not given, else the current
            folder.
        backbone: Name or path for `load_backbone`.
        train_on: The part whose captions are trained on: `train`, or `val`; nothing is validated then.
        prompt: What stands between image and caption; LiMBeR's is `A picture of`.
        degradations: How test images are made worse, each a test of its own: `none`, `blur`, `occlusion`.
        image_tokens: What stands for an image: `grid`, the tower's patches or cells, or `embedding`, x alone.
        decoding: How captions are written: `method` (`greedy`, `beam` or `nucleus`) and the other fields of `Decoding`.
        tokenizer: What cuts captions into words before they are scored; the scores' names say which. `auto` is `ptb`
            where there is Java, else `simple`.
        seed: Seed of the order, of which caption an epoch uses, and of the augmentation.
        store: Read embeddings and tokens from the feature store; otherwise images go through the tower in every step.
        views: Augmented views a training image (random crop and flip) that epochs choose from; 0 for the centre crop.
        batch_size: Images a batch and process.
        tower_precision: Precision of the image tower when stores are built: `float32`, or `bfloat16` or `float16` by
            autocast, which a GPU computes faster; stores of different precisions are different stores.
        num_workers: Processes that decode images; one a core, at most 8, where not given.
        cache_dir: Folder of stores and banks; `$AAPE_CACHE` or `~/.cache/aape` where not given.
    """

    with_tokens = True

    def __init__(
        self,
        manifest: str = "shapes_captions",
        root: str | None = None,
        *,
        backbone: str = "RN50x16",
        train_on: TrainingPart = "train",
        prompt: str = "A picture of",
        degradations: list[str] | None = None,
        image_tokens: Literal["grid", "embedding"] = "grid",
        decoding: dict[str, Any] | None = None,
        tokenizer: Literal["auto", "ptb", "simple"] = "auto",
        seed: int = 1,
        store: bool = True,
        views: int = 0,
        batch_size: int = 64,
        tower_precision: Precision = "float32",
        num_workers: int | None = None,
        cache_dir: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.place_captions()
        self.conditions = conditions(degradations or ["none"])
        self.decoding = Decoding.of(decoding)
        self.tokenizer = available_tokenizer() if tokenizer == "auto" else tokenizer

    def setup_test(self, items: list[CaptionedImage]) -> None:
        """Load the test images once for each degradation."""
        views = [Views(degradation=condition.degradation) for condition in self.conditions]
        self.use_tests([self.load_images(self.describe_images(items, view)) for view in views])

    def clean_embeddings(self) -> Float[Tensor, "n d"]:
        """The test images' embeddings as they are, whatever the conditions; stored even where nothing else is."""
        stored = self.stored("embedding", self.describe_images(self.test_items(), Views()))
        return to_device(stored[:, 0], self.device)

    def prediction_table(self, predictions: Sequence[Any]) -> pd.DataFrame:
        """One row an image: path and caption.

        Args:
            predictions: What `predict_step` returned, batch by batch.
        """
        items, index = self.test_items(), torch.cat([batch["index"] for batch in predictions]).tolist()
        captions = [caption for batch in predictions for caption in batch["caption"]]
        return pd.DataFrame({"path": [items[i].path for i in index], "caption": captions})

    def pair(self, batch: dict[str, Any], part: Part, loaded: LoadedImages) -> LanguageBatch:
        """Add the prompt and one caption an image: drawn in training, the first one in validation."""
        batch["prompt"] = [self.hparams["prompt"]] * len(batch["index"])
        if part == "train":
            assert self.bank is not None
            texts = [self.bank.texts[row] for row in self.drawn_captions()[batch["index"]].tolist()]
        elif part == "val":
            texts = [loaded.items[position].captions[0] for position in batch["index"].tolist()]
        else:
            return cast(LanguageBatch, batch)
        batch["target"] = [said_behind(self.hparams["prompt"], text) for text in texts]
        return cast(LanguageBatch, batch)

    def recorded(self) -> Recorded:
        """What stands between image and caption, what stands for an image, and how captions are written."""
        chosen = self.hparams
        values = {"prompt": chosen["prompt"], "image_tokens": chosen["image_tokens"], "decoding": asdict(self.decoding)}
        return Recorded(super().recorded().values | values)

    def eval_batch_size(self) -> int:
        """As many images as in training: each is written for, which takes memory."""
        return int(self.hparams["batch_size"])
