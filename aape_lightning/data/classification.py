"""Few-shot classification: images of a class subset, paired on the device with their classes' sentences."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from aape_lightning.backbones import Backbone, load_backbone
from aape_lightning.batch import ClassificationBatch, ImageBatch
from aape_lightning.data.class_text import ClassText, load_sentences, sentence_kinds
from aape_lightning.data.contents import contents_hash
from aape_lightning.data.draw_files import read_draw
from aape_lightning.data.draws import Draw, draw
from aape_lightning.data.features import FeatureStore, Views
from aape_lightning.data.images import file_size, image_opener
from aape_lightning.data.loading import ImageLoader, Images, Positions, collate_images, collate_positions
from aape_lightning.data.manifests import load_manifest
from aape_lightning.data.manifests.guess import guess_manifest
from aape_lightning.data.manifests.templates import chosen_templates
from aape_lightning.data.places import data_root
from aape_lightning.data.readers.split import read_split
from aape_lightning.data.samplers import EvalSampler, TrainSampler
from aape_lightning.data.sentences import sentence_file
from aape_lightning.data.splits import Item, Part, Split
from aape_lightning.data.subsets import ClassSubset, relabel, subset_labels
from aape_lightning.data.transforms import augmentation
from aape_lightning.errors import DataError
from aape_lightning.files import cache_dir as default_cache_dir
from aape_lightning.files import default_workers
from aape_lightning.modules import Aggregator
from aape_lightning.prompts import PromptBank

__all__ = ["ClassificationDataModule"]

_EVAL_BATCH = 512
_SUMMARY_CHUNK = 1024


@dataclass
class _Loaded:
    """One part of the data, on the device.

    Attributes:
        items: Its images, with labels inside the class subset.
        labels: Their labels.
        features: Stored embeddings by image and view; None where images go through the tower.
        summaries: The trained aggregator's summaries, as `features`; stage two of the staged schedule only.
    """

    items: list[Item]
    labels: Int[Tensor, " m"]
    features: Float[Tensor, "m v d"] | None = None
    summaries: Float[Tensor, "m v d"] | None = None


class ClassificationDataModule(LightningDataModule):
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
        if views < 0:
            raise DataError(f"views is {views}; it must be 0 (the centre crop) or more.")
        if batch_size < 1:
            raise DataError(f"batch_size is {batch_size}; it must be 1 or more.")
        if num_workers is not None and num_workers < 0:
            raise DataError(f"num_workers is {num_workers}; it must be 0 (decode in the main process) or more.")
        if manifest is None and images is None:
            raise DataError(
                "No dataset is named: --data.manifest NAME (see aape data list), a manifest's path, or --data.images "
                "DIR, a folder with a folder of images for each class."
            )
        self.manifest = load_manifest(str(manifest)) if images is None else guess_manifest(Path(images))
        self.root = data_root(self.manifest, root if images is None else None)
        self.cache_dir = Path(cache_dir) if cache_dir else default_cache_dir()
        self.workers = default_workers() if num_workers is None else num_workers
        self.bank: PromptBank | None = None
        self._parts: dict[Part, _Loaded] = {}

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

    def setup_backbone(self) -> None:
        """Load the backbone, so that its fingerprint is known before any image is read."""
        self.backbone: Backbone = load_backbone(self.hparams["backbone"])

    @property
    def device(self) -> torch.device:
        """Where batches live: the Trainer's device, or the CPU without a Trainer."""
        return self.trainer.strategy.root_device if self.trainer else torch.device("cpu")

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

    def _load(self, part: Part, items: list[Item]) -> _Loaded:
        if not items:
            raise DataError(
                f"The part {part!r} of {self.manifest.title} is empty for the {self.hparams['classes']!r} classes. "
                "Check the split file with: aape data check --manifest MANIFEST --root ROOT"
            )
        loaded = _Loaded(items, torch.tensor([item.label for item in items], device=self.device))
        if self.hparams["store"]:
            loaded.features = self._features(part, items).to(self.device)
        return loaded

    def _features(self, part: Part, items: list[Item]) -> Float[Tensor, "m v d"]:
        views = Views()
        if part == "train" and self.hparams["views"]:
            views = Views("augmented", self.hparams["views"], self.hparams["seed"])
        store = FeatureStore(
            self.cache_dir / "features",
            self.backbone,
            [item.path for item in items],
            image_opener(self.manifest, self.root),
            file_size(self.manifest, self.root),
            views,
        )
        store.build(self.device, self.workers)
        return store.open()

    # ---- loaders -------------------------------------------------------------------------------------------------

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled batches of the drawn training images; the same global batches for any number of processes."""
        size, batch_size = len(self._parts["train"].items), self.hparams["batch_size"]
        sampler = TrainSampler(size, batch_size, seed=self.hparams["seed"], **self._replicas())
        return self._loader("train", sampler, batch_size)

    def val_dataloader(self) -> DataLoader[Any] | list[DataLoader[Any]]:
        """The drawn validation images, each once; no loader where the dataset has none."""
        return self._eval_loader("val") if "val" in self._parts else []

    def test_dataloader(self) -> DataLoader[Any]:
        """The test images of the class subset, each once."""
        return self._eval_loader("test")

    def predict_dataloader(self) -> DataLoader[Any]:
        """The test images of the class subset, each once."""
        return self._eval_loader("test")

    def _eval_loader(self, part: Part) -> DataLoader[Any]:
        sampler = EvalSampler(len(self._parts[part].items), **self._replicas())
        return self._loader(part, sampler, _EVAL_BATCH if self.hparams["store"] else self.hparams["batch_size"])

    def _replicas(self) -> dict[str, int]:
        if self.trainer is None:
            return {"num_replicas": 1, "rank": 0}
        return {"num_replicas": self.trainer.world_size, "rank": self.trainer.global_rank}

    def _loader(self, part: Part, sampler: TrainSampler | EvalSampler, batch_size: int) -> DataLoader[Any]:
        if self.hparams["store"]:
            return DataLoader(Positions(), batch_size=batch_size, sampler=sampler, collate_fn=collate_positions)
        augmented = part == "train" and self.hparams["views"] > 0
        images = Images(
            [item.path for item in self._parts[part].items],
            image_opener(self.manifest, self.root),
            augmentation(self.backbone) if augmented else self.backbone.transform,
            seed=self.hparams["seed"] if augmented else None,
        )
        return ImageLoader(
            images,
            batch_size=batch_size,
            sampler=sampler,
            num_workers=self.workers,
            collate_fn=collate_images,
            pin_memory=self.device.type == "cuda",
        )

    # ---- pairing on the device -----------------------------------------------------------------------------------

    def on_after_batch_transfer(self, batch: ImageBatch, dataloader_idx: int) -> ClassificationBatch:
        """Pair images with labels, class embeddings and, in training, sentences; all by gathers on the device."""
        part = self._part_in_use()
        loaded, index = self._parts[part], batch["index"]
        paired: ClassificationBatch = {
            "index": index,
            "label": loaded.labels[index],
            "class_embeddings": self.class_embeddings,
            "image_embedding": self._encode(batch) if loaded.features is None else self._stored(loaded, index),
        }
        if part == "train":
            assert self.bank is not None
            paired["prompts"], paired["prompt_mask"] = self.bank.gather(paired["label"])
            if loaded.summaries is not None:
                paired["summary"] = loaded.summaries[index, self._view(loaded.summaries)[index]]
        return paired

    def _part_in_use(self) -> Part:
        assert self.trainer is not None
        if self.trainer.training:
            return "train"
        return "val" if self.trainer.validating or self.trainer.sanity_checking else "test"

    def _encode(self, batch: ImageBatch) -> Float[Tensor, "b d"]:
        assert self.trainer is not None
        with self.trainer.precision_plugin.forward_context():
            return self.backbone.to(self.device).encode_image(batch["image"])

    def _stored(self, loaded: _Loaded, index: Int[Tensor, " b"]) -> Float[Tensor, "b d"]:
        assert loaded.features is not None
        if loaded.features.shape[1] == 1:
            return loaded.features[index, 0]
        return loaded.features[index, self._view(loaded.features)[index]]

    def _view(self, features: Float[Tensor, "m v d"]) -> Int[Tensor, " m"]:
        """Which view of each image this epoch uses; the same in every process and in a resumed run."""
        epoch = 0 if self.trainer is None else self.trainer.current_epoch
        if getattr(self, "_view_epoch", None) != epoch:
            generator = torch.Generator().manual_seed(self.hparams["seed"] * 1_000_003 + epoch)
            drawn = torch.randint(features.shape[1], features.shape[:1], generator=generator)
            self._view_epoch, self._views = epoch, drawn.to(features.device)
        return self._views

    # ---- what tasks and reports ask for --------------------------------------------------------------------------

    @torch.no_grad()
    def summarize(self, aggregator: Aggregator) -> None:
        """Compute the summaries of every stored training view once; later training batches carry them.

        Without the feature store there are no fixed views, and batches carry none.
        """
        train = self._parts["train"]
        if train.features is None or self.bank is None:
            return
        train.summaries = torch.empty_like(train.features)
        for start in range(0, len(train.items), _SUMMARY_CHUNK):
            rows = slice(start, start + _SUMMARY_CHUNK)
            prompts, mask = self.bank.gather(train.labels[rows])
            for view in range(train.features.shape[1]):
                train.summaries[rows, view] = aggregator(prompts, mask, train.features[rows, view])

    def held_out(self) -> ClassificationBatch | None:
        """The validation images paired with their classes' sentences, in one batch; None without store or bank."""
        val = self._parts.get("val")
        if val is None or val.features is None or self.bank is None:
            return None
        prompts, mask = self.bank.gather(val.labels)
        return {
            "index": torch.arange(len(val.items), device=self.device),
            "label": val.labels,
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
        return contents_hash(self.manifest, self.root, [self._sentence_file(), self.hparams["draw_file"]])

    def _sentence_file(self) -> Path | None:
        prompts = self.hparams["prompts"]
        if prompts is None and not self.manifest.prompts:
            return None  # whether sentences are needed is known in `setup`
        return sentence_file(self.manifest, self.root, prompts)

    def test_items(self) -> list[Item]:
        """The test images, in the order of their `index`; labels count inside the class subset."""
        return self._parts["test"].items

    def with_classes(self, classes: ClassSubset) -> "ClassificationDataModule":
        """The same data with another class subset."""
        choices = {name: value for name, value in self.hparams.items() if not name.startswith("_")}
        return type(self)(**choices | {"classes": classes})
