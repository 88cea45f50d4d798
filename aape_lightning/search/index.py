"""The search index: embeddings with what each is of, searched exactly, and kept as a file that is bound to its encoder.

An index of images holds one query embedding an image, an index of captions one embedding a caption.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from aape_lightning.data.features import FeatureStore, Views
from aape_lightning.errors import BackboneMismatchError, DataError
from aape_lightning.files import cache_dir, default_workers, writing
from aape_lightning.locks import locked
from aape_lightning.prompts import open_or_build_bank
from aape_lightning.search.collection import ImageCollection
from aape_lightning.search.encoder import QueryEncoder
from aape_lightning.search.index_file import digest, open_index, save_index

__all__ = ["Hit", "SearchIndex", "check_top"]

_SCORES_AT_ONCE = 2**22  # pairs whose scores are held and sorted at once
_ROWS_AT_ONCE = 2**14  # rows that are compared at once


@dataclass(frozen=True)
class Hit:
    """One thing that was found.

    Attributes:
        rank: Its place, from 1.
        score: Cosine of its embedding with the query's.
        image: Path of the image, or of the image that the caption is of.
        text: The caption; of an image its first caption or its class, empty where there is neither.
    """

    rank: int
    score: float
    image: str
    text: str


def check_top(top: int) -> None:
    """Refuse a number of results that there cannot be.

    Raises:
        DataError: If it is below 1.
    """
    if top < 1:
        raise DataError(f"The number of results is {top}; it must be 1 or more (--top).")


@dataclass(frozen=True)
class SearchIndex:
    """What can be found.

    Attributes:
        embeddings: Unit-norm embeddings, on the CPU.
        images: Each row's image, or the image that the row's caption is of.
        texts: Each row's caption; of an image its first caption or its class, empty where there is neither.

    Example:
        >>> from aape_lightning.search import QueryEncoder, SearchIndex, images_of
        >>> encoder = QueryEncoder.load(backbone="shapes-tiny")
        >>> index = SearchIndex.of_images(encoder, images_of("shapes_captions", part="val"))
        >>> [hit.rank for hit in index.search(encoder.text("a red circle"), top=3)]
        [1, 2, 3]
    """

    embeddings: Float[Tensor, "m d"]
    images: list[str]
    texts: list[str]

    @classmethod
    def of_images(cls, encoder: QueryEncoder, images: ImageCollection, folder: Path | None = None) -> "SearchIndex":
        """The query embeddings of images, from the cache, built there when they are missing.

        Args:
            encoder: What images are found by.
            images: The images.
            folder: The cache folder; `$AAPE_CACHE` or `~/.cache/aape` where None.

        Raises:
            ImageError: If an image is missing or cannot be decoded; what was computed before is kept.
            DataError: If the kept index is damaged.
            StorageError: If the cache folder is read-only and holds no such index.
        """
        cache = folder or cache_dir()
        place, title = cache / "features", images.title
        store = FeatureStore(place, encoder.backbone, images.paths, images.open, images.size, Views(), title=title)
        texts = [said[0] if said else "" for said in images.said]
        path = cache / "indices" / f"{digest(store.description, encoder.fingerprint, texts)[:24]}.safetensors"
        if not path.is_file():
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            with locked(path.with_suffix(".lock"), f"builds the search index {str(path)!r}"):
                if not path.is_file():
                    store.build(encoder.device, default_workers())
                    cls(encoder.queries(store.open()[:, 0]), images.paths, texts).save(path, encoder)
        return cls.open(path, encoder, verify=True)

    @classmethod
    def of_captions(cls, encoder: QueryEncoder, images: ImageCollection, folder: Path | None = None) -> "SearchIndex":
        """The embeddings of the images' captions, from the prompt bank in the cache, built when it is missing.

        Args:
            encoder: Its text tower.
            images: The images.
            folder: The cache folder; `$AAPE_CACHE` or `~/.cache/aape` where None.

        Raises:
            DataError: If the images have no captions.
        """
        if images.says != "captions":
            raise DataError(
                f"{images.title} has no captions to find. Find images (--find images), or use a manifest of captions."
            )
        captions = dict(zip(images.paths, images.said, strict=True))
        bank = open_or_build_bank(encoder.backbone, captions, (folder or cache_dir()) / "banks", encoder.device)
        return cls(bank.embeddings, [path for path, own in captions.items() for _ in own], bank.texts)

    def nearest(self, queries: Float[Tensor, "b d"], top: int = 5) -> tuple[Float[Tensor, "b n"], Int[Tensor, "b n"]]:
        """Cosines and rows of what is nearest to each query, the nearest first; equal ones in the index's order.

        The search is exact: every query is compared with every row, so many queries at once as memory allows.

        Args:
            queries: Unit-norm embeddings.
            top: How many are found of each; all where the index holds fewer.

        Raises:
            DataError: If `top` is below 1.
            BackboneMismatchError: If the queries are of another width.
        """
        check_top(top)
        if queries.shape[1] != self.embeddings.shape[1]:
            raise BackboneMismatchError(
                f"The query has width {queries.shape[1]}, and the index {self.embeddings.shape[1]}: they were made "
                "with different backbones. Encode both with one QueryEncoder."
            )
        found = []
        for block in queries.cpu().split(max(1, _SCORES_AT_ONCE // max(1, len(self.images)))):
            scores, rows = self._scores(block).sort(dim=1, descending=True, stable=True)
            found.append((scores[:, :top].clone(), rows[:, :top].clone()))
        return torch.cat([scores for scores, _ in found]), torch.cat([rows for _, rows in found])

    def _scores(self, queries: Float[Tensor, "b d"]) -> Float[Tensor, "b m"]:
        # In single precision equal rows score differently in the last bit by where in a block they stand, and what is
        # equal would not be in order.
        blocks = self.embeddings.split(_ROWS_AT_ONCE)
        return torch.cat([(queries.double() @ rows.double().T).float() for rows in blocks], dim=1)

    def search(self, query: Float[Tensor, " d"], top: int = 5) -> list[Hit]:
        """What is nearest to one query, as `nearest`."""
        scores, rows = self.nearest(query[None], top)
        pairs = zip(scores[0].tolist(), rows[0].tolist(), strict=True)
        return [Hit(rank, score, self.images[row], self.texts[row]) for rank, (score, row) in enumerate(pairs, start=1)]

    def save(self, path: Path, encoder: QueryEncoder) -> None:
        """Write the index as safetensors, bound to its encoder and with hashes of all it holds; whole or not at all."""
        save_index(path, encoder, self.embeddings, {"images": self.images, "texts": self.texts})

    @classmethod
    def open(cls, path: Path, encoder: QueryEncoder, *, verify: bool = False) -> "SearchIndex":
        """Open an index; its embeddings stay on disk until they are used.

        Args:
            path: The file.
            encoder: What must have made it.
            verify: Check the embeddings too against their hash, which reads them all.

        Raises:
            DataError: If the file is missing, damaged, or no index.
            BackboneMismatchError: If another backbone made it.
            CheckpointError: If it was made with another checkpoint, or without one.
        """
        embeddings, names = open_index(path, encoder, verify=verify)
        return cls(embeddings, names["images"], names["texts"])
