"""Few-shot classification: images of a class subset, paired on the device with their classes' sentences."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import pandas as pd
import torch
from jaxtyping import Float, Int
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from aape_lightning.batch import ClassificationBatch, ImageBatch
from aape_lightning.data.class_text import ClassText, load_sentences
from aape_lightning.data.contents import contents_hash
from aape_lightning.data.draw_files import read_draw
from aape_lightning.data.draws import Draw, draw
from aape_lightning.data.encoding import Precision
from aape_lightning.data.features import Views
from aape_lightning.data.finite import require_finite
from aape_lightning.data.kinds import sentence_kinds
from aape_lightning.data.loaded import LoadedImages
from aape_lightning.data.manifests import load_manifest
from aape_lightning.data.manifests.guess import guess_manifest
from aape_lightning.data.manifests.templates import chosen_templates
from aape_lightning.data.memory import to_device
from aape_lightning.data.module import ImageDataModule
from aape_lightning.data.noise import inject
from aape_lightning.data.prediction_table import prediction_table
from aape_lightning.data.readers.split import read_split
from aape_lightning.data.recorded import Recorded
from aape_lightning.data.schema import ClassManifest
from aape_lightning.data.sentences import TEMPLATES, sentence_file
from aape_lightning.data.splits import Item, Part, Split
from aape_lightning.data.subsets import ClassSubset, relabel, subset_labels
from aape_lightning.errors import DataError, listed
from aape_lightning.prompts import PromptBank

__all__ = ["ClassificationDataModule"]

_EVAL_IMAGES = 100  # CoOp's test batch


class ClassificationDataModule(ImageDataModule):
    """Images, labels, class embeddings and sentences of a dataset, as `ClassificationBatch`es on the device.

    The frozen towers work here, not in the task: their outputs are read from the feature store and the prompt bank
    (both built on first use), or computed on the device after each batch's transfer.

    Args:
        manifest: Short name or path of the dataset's manifest, a domain such as `pacs/photo` or `pacs/sketch:target`,
            or a folder of images (see `guess_manifest`). None where `images` is given.
        root: The data root, under which the dataset's folder lies (CoOp's $DATA); the manifest's own where not given,
            else the current folder.
        images: A folder of images to use instead of a manifest; short for `manifest` with that folder.
        backbone: Name or path for `load_backbone`.
        prompts: A sentence source of the manifest, `templates`, a JSON file `{class: [sentence]}`, or a prompt bank
            (`.safetensors`); the manifest's first that is there where not given. Read for training alone, or where
            `class_text` is `prompts`.
        templates_for_missing: Give a class without sentences those of the manifest's templates; an error otherwise.
        class_text: What a class is called: a template with `{}`; `manifest` for the mean over the manifest's templates,
            or over a set of templates by its name (`kgcoop`, `imagenet-7`, `imagenet-80`); or `prompts` for the mean
            over its sentences (CuPL's rule).
        shots: Training images a class, drawn as CoOp draws them; 0 for all.
        seed: Seed of the draw, the order and the augmentation.
        draw_file: A draw to use instead: JSON of `aape data draw`, or a pickle of CoOp's `split_fewshot/`.
        classes: `all`, `base` (the first ceil(n/2) labels) or `new` (the rest).
        truncate: Keep sentences beyond the backbone's context, cut short, instead of dropping them.
        prompts_per_class: Sentences a class at the most, 1 or more: the first that are left; all where not given.
        noise: Share of each class's sentences that are sentences of other classes of the class list in use, from 0 to
            below 1. They are put behind its own, all of which stay (see `inject`), wherever sentences are read: to
            train on, and where `class_text` is `prompts`.
        inputs: What batches hold of an image: its `embedding` (`image_embedding`), or the transformed `image` itself,
            for a task that trains through the image tower. The feature store is not read for such batches, whatever
            `store` is: workers decode their images.
        store: Read image embeddings from the feature store; otherwise images go through the tower in every step.
        views: Augmented views a training image (random crop and flip) that epochs choose from; 0 for the centre crop.
            Where the store is not read every epoch draws a fresh view if this is not 0.
        batch_size: Training images a batch and process.
        tower_precision: Precision of the image tower when stores are built: `float32`, or `bfloat16` or `float16` by
            autocast, which a GPU computes faster; stores of different precisions are different stores.
        num_workers: Processes that decode images; one a core, at most 8, where not given.
        cache_dir: Folder of stores and banks; `$AAPE_CACHE` or `~/.cache/aape` where not given.

    Raises:
        DataError: If no dataset is named, or a number is out of its range.
        ManifestError: If the manifest is unknown or malformed.
    """

    manifest: ClassManifest

    def __init__(
        self,
        manifest: str | None = "shapes",
        root: str | None = None,
        *,
        images: str | None = None,
        backbone: str = "ViT-B/16",
        prompts: str | None = None,
        templates_for_missing: bool = False,
        class_text: str = "a photo of a {}.",
        shots: int = 16,
        seed: int = 1,
        draw_file: str | None = None,
        classes: ClassSubset = "all",
        truncate: bool = False,
        prompts_per_class: int | None = None,
        noise: float = 0.0,
        inputs: Literal["embedding", "image"] = "embedding",
        store: bool = True,
        views: int = 0,
        batch_size: int = 32,
        tower_precision: Precision = "float32",
        num_workers: int | None = None,
        cache_dir: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        if manifest is None and images is None:
            raise DataError(
                "No dataset is named: --data.manifest NAME (see aape data list), a manifest's path, or --data.images "
                "DIR, a folder with a folder of images for each class."
            )
        if inputs not in ("embedding", "image"):
            raise DataError(f"inputs is {inputs!r}; it must be 'embedding' or 'image' (--data.inputs).")
        dataset = load_manifest(str(manifest)) if images is None else guess_manifest(Path(images))
        self.place(dataset, root if images is None else None)

    # ---- setting up ----------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Read the split, and build or open what the stage needs: stores, class embeddings, and the bank to train.

        Args:
            stage: `fit`, `validate`, `test` or `predict`.

        Raises:
            ManifestError: If files of the dataset are missing.
            DataError: If a part is empty for this class subset, or an embedding is no number.
            PromptError: If a class has no sentence.
        """
        self.setup_backbone()
        split = read_split(self.manifest, self.root)
        labels = subset_labels(len(split.class_names), self.hparams["classes"])
        self.class_names = [split.class_names[label] for label in labels]
        drawn = self._draw(split)
        parts = {"train": drawn.train, "val": drawn.val, "test": split.test}
        self._items = {part: relabel(items, labels) for part, items in parts.items()}
        if stage == "fit" and not self.hparams["draw_file"]:
            self._tell_of_small_classes()
        self._set_up_text(with_bank=stage == "fit")
        wanted: dict[str, tuple[Part, ...]] = {"fit": ("train", "val"), "validate": ("val",)}
        for part in wanted.get(stage, ("test",)):
            if self._items[part] or (stage, part) != ("fit", "val"):  # without validation images training goes without
                self._parts[part] = self.load_images(self._chosen(part))

    def _draw(self, split: Split) -> Draw:
        if file := self.hparams["draw_file"]:
            return read_draw(Path(file), split)
        return draw(split, self.hparams["shots"], self.hparams["seed"])

    def _tell_of_small_classes(self) -> None:
        shots = self.hparams["shots"]
        counts = Counter(item.label for item in self._items["train"])
        if small := [f"{name} ({counts[k]})" for k, name in enumerate(self.class_names) if counts[k] < shots]:
            rank_zero_info(
                f"{len(small):,} of {len(self.class_names):,} classes have fewer training images than the {shots} that "
                f"are asked for, and all of theirs are taken: {listed(small, limit=5)}."
            )

    def _set_up_text(self, *, with_bank: bool) -> None:
        by_sentences = self.hparams["class_text"] == "prompts"
        bank = self._read_sentences() if with_bank or by_sentences else None
        if by_sentences and bank is not None:
            self.class_embeddings = bank.means()
        else:
            self.class_embeddings = self.embed_class_names(chosen_templates(self.manifest, self.hparams["class_text"]))
        require_finite(self.class_embeddings, "the class embeddings")
        self.bank = bank if with_bank else None

    def _read_sentences(self) -> PromptBank:
        chosen = self.hparams
        own = load_sentences(
            self._text,
            self.manifest,
            self.root,
            self.class_names,
            chosen["prompts"],
            templates_for_missing=chosen["templates_for_missing"],
            truncate=chosen["truncate"],
            per_class=chosen["prompts_per_class"],
        )
        self._own_sentences: list[int] = own.offsets.diff().tolist()
        require_finite(own.embeddings, "the sentences' embeddings")
        return inject(own, chosen["noise"], chosen["seed"])

    @property
    def _text(self) -> ClassText:
        return ClassText(self.backbone, self.cache_dir / "banks", self.device)

    def _chosen(self, part: Part) -> LoadedImages:
        """The images of a part, in the views that are used of them; nothing is opened yet."""
        items = self._items[part]
        if not items:
            raise DataError(
                f"The part {part!r} of {self.manifest.title} is empty for the {self.hparams['classes']!r} classes. "
                "Check the split file with: aape data check --manifest MANIFEST --root ROOT"
            )
        return LoadedImages(
            items=items,
            paths=[item.path for item in items],
            views=self.training_views() if part == "train" else Views(),
            keys=torch.tensor([item.label for item in items], device=self.device),
        )

    # ---- batches -------------------------------------------------------------------------------------------------

    @property
    def reads_store(self) -> bool:
        """Whether batches are read from the feature store: never where they hold the images themselves."""
        return super().reads_store and self.hparams["inputs"] == "embedding"

    def eval_batch_size(self) -> int:
        """Images an evaluation batch; where they go through the tower of a task, as many as CoOp's at least."""
        size = super().eval_batch_size()
        return max(_EVAL_IMAGES, size) if self.hparams["inputs"] == "image" else size

    def _embedded(self, batch: ImageBatch, loaded: LoadedImages) -> dict[str, Tensor]:
        """The images' embeddings, or the images themselves where `inputs` says so."""
        return {"image": batch["image"]} if self.hparams["inputs"] == "image" else super()._embedded(batch, loaded)

    def pair(self, batch: dict[str, Any], part: Part, loaded: LoadedImages) -> ClassificationBatch:
        """Add labels and class embeddings."""
        assert loaded.keys is not None
        paired = batch | {"label": loaded.keys[batch["index"]], "class_embeddings": self.class_embeddings}
        return cast(ClassificationBatch, paired)

    # ---- what tasks and reports ask for --------------------------------------------------------------------------

    def training_features(self) -> tuple[Float[Tensor, "m v d"], Int[Tensor, " m"]]:
        """Every training image's embeddings, view by view, and labels; on the device, after `setup` for any stage.

        They are read from the feature store, which is built on first use, whatever batches are made of.

        Raises:
            DataError: If there is no training image of these classes.
        """
        return self._features("train")

    def validation_features(self) -> tuple[Float[Tensor, "m d"], Int[Tensor, " m"]] | None:
        """Every validation image's embedding and label, as `training_features`; None where there is no such image."""
        if not self._items["val"]:
            return None
        features, labels = self._features("val")
        return features[:, 0], labels

    def _features(self, part: Part) -> tuple[Float[Tensor, "m v d"], Int[Tensor, " m"]]:
        chosen = self._chosen(part)
        assert chosen.keys is not None
        return to_device(self.stored("embedding", chosen), self.device), chosen.keys

    def embed_class_names(self, templates: Sequence[str]) -> Float[Tensor, "c d"]:
        """The classes' names in templates, embedded: the unit-norm mean over the templates; after `setup`.

        Raises:
            PromptError: If there is no template, or one has no `{}`.
        """
        return self._text.embed_classes(self.class_names, templates)

    def recorded(self) -> Recorded:
        """The classes, what they are called by, and their embeddings.

        Where classes are called by sentences, `templates` are the manifest's: for names that come without sentences.
        """
        chosen = self.hparams["class_text"]
        values = super().recorded().values | {
            "class_names": list(self.class_names),
            "class_text": chosen,
            "templates": list(chosen_templates(self.manifest, "manifest" if chosen == "prompts" else chosen)),
        }
        return Recorded(values, {"class_embeddings": self.class_embeddings.float().cpu()})

    def held_out(self) -> ClassificationBatch | None:
        """The validation images paired with their classes' sentences, in one batch; None without store or bank."""
        batch = self.whole("val")
        if batch is None or self.bank is None:
            return None
        prompts, mask = self.bank.gather(batch["label"])
        return batch | {"prompts": prompts, "prompt_mask": mask}

    def whole(self, part: Part) -> ClassificationBatch | None:
        """All images of a part in one batch, in the order of their `index` and without sentences.

        None before a `setup` for the part, and where the feature store is not read.
        """
        loaded = self._parts.get(part)
        if loaded is None or loaded.features is None or loaded.keys is None:
            return None
        return {
            "index": torch.arange(len(loaded.items), device=self.device),
            "label": loaded.keys,
            "class_embeddings": self.class_embeddings,
            "image_embedding": loaded.features[:, 0],
        }

    def sentences(self) -> PromptBank:
        """The bank of the classes' sentences, which `setup` opens to train alone; after `setup` for any stage.

        It is built on first use, and stays open for `sentence_kinds`.

        Raises:
            PromptError: If a class has no sentence.
        """
        if self.bank is None:
            self.bank = self._read_sentences()
        return self.bank

    def sentence_kinds(self) -> list[list[str]]:
        """The kind of each sentence in the bank, by class, as `sentence_kinds` tells it; empty where none is known."""
        return [] if self.bank is None else sentence_kinds(self.manifest, self.bank, self._own_sentences)

    def contents(self) -> str:
        """Hash of manifest, split, sentences and draw: what a result depends on beside configuration and backbone.

        Raises:
            ManifestError: If the dataset's folder or split is missing.
        """
        split = read_split(self.manifest, self.root)
        return contents_hash(self.manifest, split, [self._sentence_file(), self.hparams["draw_file"]])

    def _sentence_file(self) -> Path | None:
        prompts = self.hparams["prompts"]
        if prompts is None and not self.manifest.prompts:
            return None  # whether sentences are needed is known in `setup`
        return sentence_file(self.manifest, self.root, prompts)

    def test_items(self) -> list[Item]:
        """The test images, in the order of their `index`; labels count inside the class subset."""
        return self.items("test")

    def items(self, part: Part) -> list[Item]:
        """The images of a part, in the order of their `index`; after a `setup` for the part."""
        return self._parts[part].items

    def prediction_table(self, predictions: Sequence[Any]) -> pd.DataFrame:
        """One row an image: path, true class, predicted class and its probability.

        Args:
            predictions: What `predict_step` returned, batch by batch.
        """
        return prediction_table(self.test_items(), self.class_names, predictions)

    def with_classes(self, classes: ClassSubset) -> "ClassificationDataModule":
        """The same data with another class subset."""
        return self._with(classes=classes)

    def with_manifest(self, name: str) -> "ClassificationDataModule":
        """The same choices on another dataset under the same root, with all of its classes and no `draw_file`.

        Args:
            name: Its manifest, or a domain. Sentences come from a source of its own, the first that is there, unless
                `prompts` is `templates`; another domain of the same dataset shares the source.

        Raises:
            ManifestError: If there is none.
        """
        prompts, other = self.hparams["prompts"], load_manifest(name)
        if prompts != TEMPLATES and _dataset(other) != _dataset(self.manifest):
            prompts = None
        return self._with(manifest=name, images=None, prompts=prompts, classes="all", draw_file=None)

    def _with(self, **changes: Any) -> "ClassificationDataModule":  # noqa: ANN401
        choices = {name: value for name, value in self.hparams.items() if not name.startswith("_")}
        return type(self)(**choices | changes)


def _dataset(manifest: ClassManifest) -> str:
    """A dataset's name, less that of a domain."""
    return manifest.name.partition("/")[0]
