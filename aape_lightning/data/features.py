"""The feature store: what the image tower makes of images, computed once, kept on disk, opened memory-mapped.

A store is a folder with `embeddings.npy` (M, V, D), or `tokens.npy` (M, V, T, W), and `store.json`. It is keyed by
everything that its numbers depend on: the backbone's weights, the transform, the views, the dtype, and the list of
files with their sizes. The files' times do not count, so copies of a dataset share a store. It is built under another
name, by any number of processes (see `aape_lightning.shards`), and renamed when it is whole; an interrupted build goes
on. Nothing here grows with the number of images but what is on disk: the list of paths is the caller's.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from PIL.Image import Image
from torch import Tensor

from aape_lightning.backbones import Backbone
from aape_lightning.data.degrade import degrade
from aape_lightning.data.encoding import Precision, encode_rows
from aape_lightning.data.finite import first_not_finite, not_finite
from aape_lightning.data.loading import ImageDataset
from aape_lightning.data.path_list import PathList
from aape_lightning.data.transforms import TRANSFORM_VERSION, augmentation, seeded
from aape_lightning.errors import DataError
from aape_lightning.files import is_listed, write_json, writing
from aape_lightning.formats.npy_array import map_array
from aape_lightning.locks import has_locks, locked, partial_folder
from aape_lightning.shards import ShardedArray, Values

__all__ = ["FeatureStore", "Output", "Views"]

Output = Literal["embedding", "tokens"]

# Tokens are many (RN50x16 has 144 of 3,072 numbers an image) and a linear map reads them: half precision is enough.
_FORMS = {"embedding": ("embeddings.npy", "float32"), "tokens": ("tokens.npy", "float16")}
_PER_SHARD = 512  # views encoded between two notes of progress: what a kill costs at most


@dataclass(frozen=True)
class Views:
    """Which views of each image are stored.

    Attributes:
        kind: `centre` is the backbone's own transform; `augmented` are random crops and flips.
        count: Views an image; an image has one centre view.
        seed: Seed of the augmentation.
        degradation: How the images are made worse before all else, as `degrade` names it.

    Raises:
        DataError: If an image cannot have that many views.
    """

    kind: Literal["centre", "augmented"] = "centre"
    count: int = 1
    seed: int = 0
    degradation: str = "none"

    def __post_init__(self) -> None:
        """Refuse a number of views that there cannot be."""
        if self.count < 1 or (self.kind == "centre" and self.count > 1):
            legal = "1" if self.kind == "centre" else "1 or more"
            raise DataError(
                f"{self.count} {self.kind} views an image were asked for; it must be {legal}. Augmented views are set "
                "with --data.views, and 0 there means the centre view."
            )


class _ImageViews(ImageDataset):
    """The stored views (V, 3, H, W) of each image, as pixels: the tower normalises them."""

    def __init__(self, paths: Sequence[str], opener: Callable[[str], Image], backbone: Backbone, views: Views) -> None:
        self.paths = PathList(paths)
        self.opener = opener
        self.views = views
        centre = views.kind == "centre"
        self.transform = backbone.pixel_transform if centre else augmentation(backbone, normalized=False)

    def __len__(self) -> int:
        return len(self.paths)

    def load(self, key: int) -> Tensor:
        """The views of the image in a row."""
        path = self.paths[key]
        image = degrade(self.opener(path), self.views.degradation, path)
        if self.views.kind == "centre":
            return self.transform(image)[None]
        return torch.stack(
            [seeded(self.transform, image, f"{path} {view} {self.views.seed}") for view in range(self.views.count)]
        )


class FeatureStore:
    """Image embeddings, or image tokens, of one list of files under one backbone.

    Args:
        folder: The cache folder that holds stores.
        backbone: The frozen encoder.
        paths: The images, in order.
        opener: Opens an image by its path.
        file_size: Size of an image by its path, so that replaced files are seen.
        views: Which views are stored.
        output: What of the image tower is stored: its embedding, or its tokens for a language model.
        precision: In which the tower computes; stores of different precisions are different stores.
        title: What the images are of, for those who list the cache; copies of a dataset share a store.
    """

    def __init__(
        self,
        folder: Path,
        backbone: Backbone,
        paths: Sequence[str],
        opener: Callable[[str], Image],
        file_size: Callable[[str], int],
        views: Views,
        output: Output = "embedding",
        precision: Precision = "float32",
        title: str = "",
    ) -> None:
        self.backbone = backbone
        self.paths = paths
        self.opener = opener
        self.views = views
        self.precision: Precision = precision
        self.told = {"title": title, "backbone_name": backbone.name}  # no part of what the numbers depend on
        self.encode = backbone.encode_image if output == "embedding" else backbone.image_tokens
        self.file, self.dtype = _FORMS[output]
        width = (backbone.embed_dim,) if output == "embedding" else backbone.image_token_shape
        self.shape = (len(paths), views.count, *width)
        self.description = {
            "backbone": backbone.fingerprint,
            "input_size": backbone.input_size,
            "transform": TRANSFORM_VERSION,
            "views": asdict(views),
            "output": output,
            "dtype": self.dtype,
            "files": _files_hash(paths, file_size),
            "shape": list(self.shape),
        } | ({} if precision == "float32" else {"precision": precision})
        key = hashlib.sha256(json.dumps(self.description, sort_keys=True).encode()).hexdigest()
        self.folder = folder / key[:24]

    @property
    def is_built(self) -> bool:
        """Whether the store is on disk and whole."""
        return (self.folder / "store.json").is_file()

    def open(self) -> Float[Tensor, "m v *width"]:
        """The embeddings or tokens, memory-mapped (copy on write, so that nothing can change the file).

        Raises:
            DataError: If the store is not there, damaged, or of another shape.
        """
        try:
            stored = map_array(self.folder / self.file, "c")
        except (OSError, ValueError) as error:
            raise DataError(
                f"The feature store {str(self.folder)!r} cannot be read ({error}). Remove the folder; it is built "
                "again with: aape cache build --recipe RECIPE"
            ) from error
        if stored.shape != self.shape or stored.dtype != self.dtype:
            raise DataError(
                f"The feature store {str(self.folder)!r} holds {stored.dtype} of shape {stored.shape}, and should hold "
                f"{self.dtype} of shape {self.shape}. Remove the folder; it is built again with: aape cache build "
                "--recipe RECIPE"
            )
        return torch.from_numpy(stored)

    def build(self, device: torch.device, workers: int) -> None:
        """Compute what is missing, together with every other process that asks for the same store.

        No shard is computed twice. Each process returns when the store is whole; one that is killed loses the shard
        that it was at.

        Args:
            device: Where the image tower runs.
            workers: Processes that decode and transform images.

        Raises:
            ImageError: If an image is missing or cannot be decoded. The shards before are kept; the one that it is in
                is lost, as in a kill.
            DataError: If the disk has no room for the store, what is half-built is removed meanwhile, or an embedding
                is no number.
            StorageError: If the folder is read-only, or is removed meanwhile.
        """
        if self.is_built:
            shutil.rmtree(self.folder / "shards", ignore_errors=True)  # left where a kill came right after the end
            return
        with writing(self.folder):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
        shared = has_locks(self.folder.parent)
        with partial_folder(self.folder, shared=shared) as partial:
            self._build_in(partial, device, workers, shared=shared)

    def _build_in(self, partial: Path, device: torch.device, workers: int, *, shared: bool) -> None:
        lock, doing = self.folder.with_suffix(".lock"), f"works on the feature store {str(self.folder)!r}"
        rows = max(1, _PER_SHARD // self.views.count)
        array = ShardedArray(
            partial / self.file, self.shape, self.dtype, rows, taken=lambda: self.is_built, alone=not shared
        )
        with locked(lock, doing):
            if self._is_listed():
                return
            array.prepare()
        array.fill(lambda rows: self._encoded(rows, device, workers), "encoding images")
        with locked(lock, doing):
            if not self._is_listed():
                self._move_in(array)
            shutil.rmtree(partial, ignore_errors=True)  # who came late has put a lock there again

    def _is_listed(self) -> bool:
        """As `is_built`, and never late to know what another machine has built."""
        return is_listed(self.folder) and is_listed(self.folder / "store.json")

    def _move_in(self, array: ShardedArray) -> None:
        """Take the whole array, and all beside it, to where the store is looked for."""
        partial = array.path.parent
        if not array.is_whole:
            raise DataError(
                f"The half-built feature store {str(partial)!r} was removed during the build. Begin again with: aape "
                "cache build --recipe RECIPE"
            )
        write_json(partial / "store.json", self.description | self.told)
        try:
            partial.rename(self.folder)
        except OSError:  # something lies there
            if self._is_listed():  # another process's store, where there are no locks
                return
            shutil.rmtree(self.folder, ignore_errors=True)
            partial.rename(self.folder)
        shutil.rmtree(self.folder / "shards", ignore_errors=True)

    def _encoded(self, rows: range, device: torch.device, workers: int) -> Generator[Values, None, None]:
        images = _ImageViews(self.paths, self.opener, self.backbone, self.views)
        self.backbone.to(device)
        views, precision = self.views.count, self.precision
        done = rows.start
        for encoded in encode_rows(images, rows, self.encode, device, workers, views, precision=precision):
            if (row := first_not_finite(encoded)) is not None:
                raise not_finite(f"What {self.backbone.name!r} makes of {self.paths[done + row]!r}")
            done += len(encoded)
            yield encoded.numpy()


def _files_hash(paths: Sequence[str], file_size: Callable[[str], int]) -> str:
    """Hash of the JSON of all paths and sizes, `[["a.jpg", 10], ...]`, which is never held as a whole."""
    digest, comma = hashlib.sha256(b"["), ""
    for path in paths:
        digest.update((comma + json.dumps([path, file_size(path)])).encode())
        comma = ", "
    digest.update(b"]")
    return digest.hexdigest()
