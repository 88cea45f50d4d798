"""Images with captions of their own: what the DataModules of retrieval and of captioning share."""

from typing import Any, Literal

import torch

from aape_lightning.data.contents import contents_hash
from aape_lightning.data.features import Views
from aape_lightning.data.loaded import LoadedImages
from aape_lightning.data.manifests import load_caption_manifest
from aape_lightning.data.module import ImageDataModule
from aape_lightning.data.readers.captions import CaptionedImage, read_caption_split
from aape_lightning.data.schema import CaptionManifest
from aape_lightning.data.splits import Part, Parts
from aape_lightning.errors import DataError
from aape_lightning.prompts import PromptBank, open_or_build_bank

__all__ = ["CaptionedDataModule", "TrainingPart"]

TrainingPart = Literal["train", "val"]


class CaptionedDataModule(ImageDataModule):
    """Images whose sentences are their own captions: an entry of the prompt bank is an image.

    Subclasses save the hyper-parameters that `ImageDataModule` reads, and `manifest`, `root` and `train_on`.
    """

    manifest: CaptionManifest

    def place_captions(self) -> None:
        """Take the dataset.

        Raises:
            ManifestError: If the manifest is unknown, or not of captions.
            DataError: If a hyper-parameter is out of range.
        """
        self.place(load_caption_manifest(self.hparams["manifest"]), self.hparams["root"])

    def setup(self, stage: str) -> None:
        """Read the split, and build or open what the stage needs: stores, and the bank of captions to train on.

        Args:
            stage: `fit`, `validate`, `test` or `predict`.

        Raises:
            ManifestError: If files of the dataset are missing.
            DataError: If the part that the stage needs is empty.
        """
        self.setup_backbone()
        if stage == "fit":
            items = self.items("train")
            self.bank = self.caption_bank(items)
            loaded = self.describe_images(items, self.training_views())
            loaded.keys = torch.arange(len(items), device=self.device)
            self._parts["train"] = self.load_images(loaded)
        if self._validates(stage):
            self._parts["val"] = self.load_images(self.describe_images(self.items("val"), Views()))
        if stage in ("test", "predict"):
            self.setup_test(self.items("test"))

    def _validates(self, stage: str) -> bool:
        return stage == "validate" or (stage == "fit" and bool(self._images.val) and self.hparams["train_on"] != "val")

    def setup_test(self, items: list[CaptionedImage]) -> None:
        """Load the test images."""
        self._parts["test"] = self.load_images(self.describe_images(items, Views()))

    @property
    def _images(self) -> Parts[CaptionedImage]:
        if not hasattr(self, "_split"):
            self._split = read_caption_split(self.manifest, self.root)
        return self._split

    def items(self, part: Part) -> list[CaptionedImage]:
        """The images of a part; the training part is the one of `train_on`.

        Raises:
            DataError: If there are none.
        """
        source: Part = self.hparams["train_on"] if part == "train" else part
        if not (found := self._images.part(source)):
            there = [f"{name} ({len(self._images.part(name))})" for name in ("train", "val", "test")]
            raise DataError(
                f"{self.manifest.title} has no images in its part {source!r}; its parts are {', '.join(there)}. What "
                "has images for testing only is tested with a checkpoint of another dataset: aape test --config "
                "RUN/config.yaml --ckpt_path RUN/aape.ckpt --data.manifest MANIFEST."
            )
        return found

    def describe_images(self, items: list[CaptionedImage], views: Views) -> LoadedImages:
        """Images of a part, before their stores are opened."""
        return LoadedImages(items=items, paths=[item.path for item in items], views=views)

    def caption_bank(self, items: list[CaptionedImage]) -> PromptBank:
        """The captions of some images, one entry an image, on the device; a caption beyond the context is cut."""
        captions = {item.path: item.captions for item in items}
        return open_or_build_bank(self.backbone, captions, self.cache_dir / "banks", self.device).to(self.device)

    def contents(self) -> str:
        """Hash of manifest, images and captions: what a result depends on beside configuration and backbone.

        Raises:
            ManifestError: If the dataset's folder or a file of it is missing.
        """
        return contents_hash(self.manifest, self._images)

    def test_items(self) -> list[Any]:
        """The test images with their captions, in the order of their `index`."""
        return self._parts["test"].items
