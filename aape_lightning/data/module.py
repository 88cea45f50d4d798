"""What every DataModule of images shares: frozen towers at work in the data pipeline, stores, loaders, device pairing.

A position is what a loader yields: an image, or a question about one. Its image is a row of the feature store, and its
sentences are an entry of the prompt bank; a batch is made by gathers on the device.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, get_args

import torch
from jaxtyping import Float, Int
from lightning.pytorch import LightningDataModule
from torch import Tensor

from aape_lightning.backbones import Backbone, load_backbone
from aape_lightning.batch import ImageBatch
from aape_lightning.data.encoding import Precision
from aape_lightning.data.epoch_draws import EpochDraws
from aape_lightning.data.features import FeatureStore, Output, Views
from aape_lightning.data.finite import require_finite
from aape_lightning.data.images import image_access, image_opener
from aape_lightning.data.loaded import LoadedImages
from aape_lightning.data.loading import ImageLoader, Images, collate_images
from aape_lightning.data.memory import empty_beside, to_device
from aape_lightning.data.path_list import PathList
from aape_lightning.data.places import data_root
from aape_lightning.data.positions import PositionLoader
from aape_lightning.data.recorded import Recorded
from aape_lightning.data.samplers import EvalSampler, TrainSampler, replicas
from aape_lightning.data.schema import Manifest
from aape_lightning.data.splits import Part
from aape_lightning.data.transforms import augmentation
from aape_lightning.errors import DataError
from aape_lightning.files import cache_dir as default_cache_dir
from aape_lightning.files import default_workers
from aape_lightning.modules import Aggregator
from aape_lightning.prompts import PromptBank

__all__ = ["ImageDataModule", "Loader"]

Loader = PositionLoader | ImageLoader

_LEAST = (
    ("views", 0, "the centre crop"),
    ("batch_size", 1, "one image"),
    ("num_workers", 0, "decode in the main process"),
)
_EVAL_BATCH = 512
_SUMMARY_CHUNK = 256


class ImageDataModule(LightningDataModule, ABC):
    """Images of a dataset as batches on the device; subclasses say which, and what they are paired with.

    Subclasses save their hyper-parameters and call `place`; the ones read here are `backbone`, `seed`, `store`,
    `views`, `batch_size`, `tower_precision`, `num_workers` and `cache_dir`. In `setup` they fill `_parts` by
    `load_images`.
    """

    manifest: Manifest
    root: Path
    backbone: Backbone
    bank: PromptBank | None = None
    with_tokens = False  # whether batches hold image tokens, for a language model
    with_prompts = True  # whether training batches hold sentences; a task that reads none says so

    @property
    def reads_grid(self) -> bool:
        """Whether image tokens are the tower's grid; else, where there are any, the embedding is the only one."""
        return self.with_tokens and self.hparams["image_tokens"] == "grid"

    @property
    def image_token_width(self) -> int:
        """Width of the image tokens in batches."""
        return self.backbone.image_token_shape[1] if self.reads_grid else self.backbone.embed_dim

    @property
    def reads_store(self) -> bool:
        """Whether batches are read from the feature store; else their images are decoded by workers."""
        return bool(self.hparams["store"])

    def place(self, manifest: Manifest, root: str | None) -> None:
        """Take the dataset, and check the hyper-parameters that all DataModules of images have.

        Raises:
            DataError: If one is out of range.
        """
        chosen = self.hparams
        for name, least, meaning in _LEAST:
            if chosen[name] is not None and chosen[name] < least:
                raise DataError(f"{name} is {chosen[name]}; it must be {least} ({meaning}) or more.")
        if chosen["tower_precision"] not in get_args(Precision):
            raise DataError(
                f"tower_precision is {chosen['tower_precision']!r}; it must be one of {', '.join(get_args(Precision))} "
                "(--data.tower_precision)."
            )
        self.manifest, self.root = manifest, data_root(manifest, root)
        self.cache_dir = Path(chosen["cache_dir"]) if chosen["cache_dir"] else default_cache_dir()
        self.workers = default_workers() if chosen["num_workers"] is None else chosen["num_workers"]
        self._parts: dict[Part, LoadedImages] = {}
        self._draws = EpochDraws(chosen["seed"])

    def setup_backbone(self) -> None:
        """Load the backbone, so that its fingerprint is known before any image is read."""
        self.backbone = load_backbone(self.hparams["backbone"])

    @property
    def device(self) -> torch.device:
        """Where batches live: the Trainer's device, or the CPU without a Trainer."""
        return self.trainer.strategy.root_device if self.trainer else torch.device("cpu")

    def recorded(self) -> Recorded:
        """What inference needs of these data beside the task's weights; after `setup`."""
        return Recorded({"dataset": self.manifest.name})

    # ---- loading images ------------------------------------------------------------------------------------------

    def training_views(self) -> Views:
        """The views of training images: augmented ones, or the centre crop where `views` is 0."""
        if not self.hparams["views"]:
            return Views()
        return Views("augmented", self.hparams["views"], self.hparams["seed"])

    def load_images(self, loaded: LoadedImages) -> LoadedImages:
        """Open the stores of a part's images, built on first use; nothing without the feature store.

        Raises:
            DataError: If the device has no room for the embeddings, or one is no number.
        """
        if self.reads_store:
            features = to_device(self.stored("embedding", loaded), self.device)
            loaded.features = require_finite(features, f"the feature store of {self.manifest.title}")
            if self.reads_grid:
                loaded.tokens = self.stored("tokens", loaded)  # too many for a device: gathered batch by batch
        return loaded

    def stored(self, output: Output, loaded: LoadedImages) -> Tensor:
        """What a part's feature store holds, memory-mapped; on first use all processes of the run build it together."""
        opener, size = image_access(self.manifest, self.root)
        folder = self.cache_dir / "features"
        precision = self.hparams["tower_precision"]
        title = self.manifest.title
        store = FeatureStore(folder, self.backbone, loaded.paths, opener, size, loaded.views, output, precision, title)
        store.build(self.device, self.workers)
        return store.open()

    # ---- loaders -------------------------------------------------------------------------------------------------

    def train_dataloader(self) -> Loader:
        """Shuffled batches of the training part; the same global batches for any number of processes."""
        loaded, batch_size = self._parts["train"], self.hparams["batch_size"]
        seed, trainer = self.hparams["seed"], self.trainer
        sampler = TrainSampler(len(loaded.items), batch_size, seed=seed, trainer=trainer, **replicas(trainer))
        return self._loader(loaded, sampler, batch_size)

    def val_dataloader(self) -> Loader | list[Loader]:
        """The validation part, each position once; no loader where the dataset has none."""
        return self.eval_loader(self._parts["val"]) if "val" in self._parts else []

    def test_dataloader(self) -> Loader | list[Loader]:
        """The test part, each position once."""
        return self.eval_loader(self._parts["test"])

    def predict_dataloader(self) -> Loader | list[Loader]:
        """The test part, each position once."""
        return self.eval_loader(self._parts["test"])

    def eval_loader(self, loaded: LoadedImages) -> Loader:
        """Batches of a part, each position once and in order."""
        sampler = EvalSampler(len(loaded.items), **replicas(self.trainer))
        return self._loader(loaded, sampler, self.eval_batch_size())

    def eval_batch_size(self) -> int:
        """Positions an evaluation batch: many where a batch is a gather, else as many as in training."""
        return _EVAL_BATCH if self.reads_store else self.hparams["batch_size"]

    def _loader(self, loaded: LoadedImages, sampler: TrainSampler | EvalSampler, batch_size: int) -> Loader:
        if self.reads_store:
            return PositionLoader(sampler, batch_size, self.device)
        augmented = loaded.views.kind == "augmented"
        images = Images(
            PathList([loaded.path(position) for position in range(len(loaded.items))]),
            image_opener(self.manifest, self.root, loaded.views.degradation),
            augmentation(self.backbone, normalized=False) if augmented else self.backbone.pixel_transform,
            seed=self.hparams["seed"] if augmented else None,
        )
        return ImageLoader(
            images,
            batch_size=batch_size,
            sampler=sampler,
            num_workers=self.workers,
            persistent_workers=self.workers > 0 and isinstance(sampler, TrainSampler),  # one start, not one an epoch
            collate_fn=collate_images,
            pin_memory=self.device.type == "cuda",
        )

    # ---- pairing on the device -----------------------------------------------------------------------------------

    def on_after_batch_transfer(self, batch: ImageBatch, dataloader_idx: int) -> Any:  # noqa: ANN401 - by subclass
        """Pair images with all that the task needs, by gathers on the device; sentences in training alone."""
        part = self.part_in_use()
        loaded = self.loaded(part, dataloader_idx)
        if "image" in batch:
            batch["image"] = self.backbone.normalize(batch["image"])
        paired: dict[str, Any] = {"index": batch["index"]} | self._embedded(batch, loaded)
        if part == "train":
            paired |= self._prompted(batch["index"], loaded)
        return self.pair(paired, part, loaded)

    @abstractmethod
    def pair(self, batch: dict[str, Any], part: Part, loaded: LoadedImages) -> Any:  # noqa: ANN401
        """Add to a batch of embeddings what this DataModule pairs them with."""

    def loaded(self, part: Part, dataloader_idx: int) -> LoadedImages:
        """The images that a loader of a part yields."""
        return self._parts[part]

    def part_in_use(self) -> Part:
        """The part that the Trainer is at."""
        assert self.trainer is not None
        if self.trainer.training:
            return "train"
        return "val" if self.trainer.validating or self.trainer.sanity_checking else "test"

    def _embedded(self, batch: ImageBatch, loaded: LoadedImages) -> dict[str, Tensor]:
        """What the image tower makes of a batch's images: read from the store, or computed now."""
        embedded = self._read(batch["index"], loaded) if loaded.features is not None else self._encoded(batch)
        if self.with_tokens and not self.reads_grid:
            embedded["image_tokens"] = embedded["image_embedding"][:, None]
        return embedded

    def _read(self, index: Int[Tensor, " b"], loaded: LoadedImages) -> dict[str, Tensor]:
        assert loaded.features is not None
        rows = loaded.rows_of(index)
        embedded = {"image_embedding": self._viewed(loaded.features, rows)}
        if loaded.tokens is not None:
            embedded["image_tokens"] = self._viewed(loaded.tokens, rows.cpu()).to(self.device).float()
        return embedded

    def _encoded(self, batch: ImageBatch) -> dict[str, Tensor]:
        assert self.trainer is not None
        backbone = self.backbone.to(self.device)
        with self.trainer.precision_plugin.forward_context():
            embedded = {"image_embedding": backbone.encode_image(batch["image"])}
            if self.reads_grid:
                embedded["image_tokens"] = backbone.image_tokens(batch["image"])
        return embedded

    def _prompted(self, index: Int[Tensor, " b"], loaded: LoadedImages) -> dict[str, Tensor]:
        """The images' summaries where they are known, else their sentences."""
        rows = loaded.rows_of(index)
        if loaded.summaries is not None:
            return {"summary": self._viewed(loaded.summaries, rows)}
        if self.bank is None or loaded.keys is None or not self.with_prompts:
            return {}
        prompts, mask = self.bank.gather(loaded.keys[rows])
        return {"prompts": prompts, "prompt_mask": mask}

    def _viewed(self, stored: Float[Tensor, "m v *rest"], rows: Int[Tensor, " b"]) -> Float[Tensor, "b *rest"]:
        """The rows, each in the view that this epoch uses of it."""
        images, views = stored.shape[:2]
        if views > 1:
            rows = rows * views + self._drawn("views", images, views).to(rows.device)[rows]
        return stored.flatten(0, 1).index_select(0, rows)

    def _drawn(self, what: str, size: int, counts: int | Int[Tensor, " m"]) -> Int[Tensor, " m"]:
        """What this epoch draws: a number below each count."""
        epoch = 0 if self.trainer is None else self.trainer.current_epoch
        return self._draws.below(counts, size, what, epoch, self.device)

    def drawn_captions(self) -> Int[Tensor, " m"]:
        """A row of the bank for each of its entries: the caption that this epoch uses of an image."""
        assert self.bank is not None
        return self.bank.offsets[:-1] + self._drawn("captions", len(self.bank.keys), self.bank.offsets.diff())

    @torch.no_grad()
    def summarize(self, aggregator: Aggregator) -> None:
        """Compute the summaries of every stored training view once; later training batches carry them.

        Without the feature store there are no fixed views, and batches carry none.

        Raises:
            DataError: If there is no room for them, on the device or, large ones on a CPU, in the cache folder.
        """
        train = self._parts["train"]
        if train.features is None or self.bank is None or train.keys is None:
            return
        train.summaries = empty_beside(train.features, self.cache_dir)
        for start in range(0, len(train.paths), _SUMMARY_CHUNK):
            rows = slice(start, start + _SUMMARY_CHUNK)
            prompts, mask = self.bank.gather(train.keys[rows])
            for view in range(train.features.shape[1]):
                train.summaries[rows, view] = aggregator(prompts, mask, train.features[rows, view])
