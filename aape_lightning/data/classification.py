"""Few-shot classification: images of a class subset, paired on the device with their classes' sentences."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch

from aape_lightning.batch import ClassificationBatch
from aape_lightning.data.class_text import ClassText, load_sentences, sentence_kinds
from aape_lightning.data.contents import contents_hash
from aape_lightning.data.draw_files import read_draw
from aape_lightning.data.draws import Draw, draw
from aape_lightning.data.features import Views
from aape_lightning.data.loaded import LoadedImages
from aape_lightning.data.manifests import load_manifest
from aape_lightning.data.manifests.guess import guess_manifest
from aape_lightning.data.manifests.templates import chosen_templates
from aape_lightning.data.module import ImageDataModule
from aape_lightning.data.readers.split import read_split
from aape_lightning.data.schema import ClassManifest
from aape_lightning.data.sentences import sentence_file
from aape_lightning.data.splits import Item, Part, Split
from aape_lightning.data.subsets import ClassSubset, relabel, subset_labels
from aape_lightning.errors import DataError

__all__ = ["ClassificationDataModule"]


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
        store: Read image embeddings from the feature store; otherwise images go through the tower in every step.
        views: Augmented views a training image (random crop and flip) that epochs choose from; 0 for the centre crop.
            Without the store every epoch draws a fresh view where this is not 0.
        batch_size: Training images a batch and process.
        num_workers: Processes that decode images; one a core, at most 8, where not given.
        cache_dir: Folder of stores and banks; `$AAPE_CACHE` or `~/.cache/aape` where not given.
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
        store: bool = True,
        views: int = 0,
        batch_size: int = 32,
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
        dataset = load_manifest(str(manifest)) if images is None else guess_manifest(Path(images))
        self.place(dataset, root if images is None else None)

    # ---- setting up ----------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Read the split, and build or open what the stage needs: stores, class embeddings, and the bank to train.

        Args:
            stage: `fit`, `validate`, `test` or `predict`.

        Raises:
            ManifestError: If files of the dataset are missing.
            DataError: If a part is empty for this class subset.
            PromptError: If a class has no sentence.
        """
        self.setup_backbone()
        split = read_split(self.manifest, self.root)
        labels = subset_labels(len(split.class_names), self.hparams["classes"])
        self.class_names = [split.class_names[label] for label in labels]
        drawn = self._draw(split)
        items = {"train": drawn.train, "val": drawn.val, "test": split.test}
        self._set_up_text(with_bank=stage == "fit")
        wanted: dict[str, tuple[Part, ...]] = {"fit": ("train", "val"), "validate": ("val",)}
        for part in wanted.get(stage, ("test",)):
            chosen = relabel(items[part], labels)
            if chosen or part != "val":  # what has no validation images is trained without them
                self._parts[part] = self._load(part, chosen)

    def _draw(self, split: Split) -> Draw:
        if file := self.hparams["draw_file"]:
            return read_draw(Path(file), split)
        return draw(split, self.hparams["shots"], self.hparams["seed"])

    def _set_up_text(self, *, with_bank: bool) -> None:
        text = ClassText(self.backbone, self.cache_dir / "banks", self.device)
        by_sentences = self.hparams["class_text"] == "prompts"
        bank = None
        if with_bank or by_sentences:
            bank = load_sentences(
                text,
                self.manifest,
                self.root,
                self.class_names,
                self.hparams["prompts"],
                templates_for_missing=self.hparams["templates_for_missing"],
                truncate=self.hparams["truncate"],
            )
        if by_sentences and bank is not None:
            self.class_embeddings = bank.means()
        else:
            templates = chosen_templates(self.manifest, self.hparams["class_text"])
            self.class_embeddings = text.embed_classes(self.class_names, templates)
        self.bank = bank if with_bank else None

    def _load(self, part: Part, items: list[Item]) -> LoadedImages:
        if not items:
            raise DataError(
                f"The part {part!r} of {self.manifest.title} is empty for the {self.hparams['classes']!r} classes. "
                "Check the split file with: aape data check --manifest MANIFEST --root ROOT"
            )
        return self.load_images(
            LoadedImages(
                items=items,
                paths=[item.path for item in items],
                views=self.training_views() if part == "train" else Views(),
                keys=torch.tensor([item.label for item in items], device=self.device),
            )
        )

    def pair(self, batch: dict[str, Any], part: Part, loaded: LoadedImages) -> ClassificationBatch:
        """Add labels and class embeddings."""
        assert loaded.keys is not None
        paired = batch | {"label": loaded.keys[batch["index"]], "class_embeddings": self.class_embeddings}
        return cast(ClassificationBatch, paired)

    # ---- what tasks and reports ask for --------------------------------------------------------------------------

    def held_out(self) -> ClassificationBatch | None:
        """The validation images paired with their classes' sentences, in one batch; None without store or bank."""
        val = self._parts.get("val")
        if val is None or val.features is None or val.keys is None or self.bank is None:
            return None
        prompts, mask = self.bank.gather(val.keys)
        return {
            "index": torch.arange(len(val.items), device=self.device),
            "label": val.keys,
            "class_embeddings": self.class_embeddings,
            "image_embedding": val.features[:, 0],
            "prompts": prompts,
            "prompt_mask": mask,
        }

    def sentence_kinds(self) -> list[list[str]]:
        """The kind of each sentence in the bank, by class, where the dataset knows them; empty elsewhere."""
        return [] if self.bank is None else sentence_kinds(self.manifest, self.bank)

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
        return self._parts["test"].items

    def prediction_table(self, predictions: Sequence[Any]) -> pd.DataFrame:
        """One row an image: path, true class, predicted class and its probability.

        Args:
            predictions: What `predict_step` returned, batch by batch.
        """
        items, index = self.test_items(), torch.cat([batch["index"] for batch in predictions]).tolist()
        probability, predicted = torch.cat([batch["probabilities"] for batch in predictions]).cpu().max(dim=-1)
        return pd.DataFrame(
            {
                "path": [items[i].path for i in index],
                "class": [self.class_names[items[i].label] for i in index],
                "predicted": [self.class_names[c] for c in predicted],
                "probability": probability.numpy(),
            }
        )

    def with_classes(self, classes: ClassSubset) -> "ClassificationDataModule":
        """The same data with another class subset."""
        choices = {name: value for name, value in self.hparams.items() if not name.startswith("_")}
        return type(self)(**choices | {"classes": classes})
