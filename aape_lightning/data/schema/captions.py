"""Manifests of images with captions."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from aape_lightning.data.schema.base import InnerPath, Manifest, Strict
from aape_lightning.data.splits import Part

__all__ = [
    "CaptionCounts",
    "CaptionManifest",
    "CocoCaptions",
    "CsvCaptions",
    "FlickrCaptions",
    "KarpathyCaptions",
    "ShapesCaptions",
]


class KarpathyCaptions(Strict):
    """Karpathy's JSON: images with `filename`, `split` and `sentences`; `restval` counts as training.

    Attributes:
        file: The file, relative to the dataset's folder.
    """

    format: Literal["karpathy"]
    file: InnerPath


class CocoCaptions(Strict):
    """COCO's annotation JSON, `{"images": [...], "annotations": [...]}`, one file a part.

    Attributes:
        files: Each part's file, relative to the dataset's folder.
        prefixes: The folder of each part's images inside the image folder; none where they lie there together.
    """

    format: Literal["coco"]
    files: dict[Part, InnerPath] = Field(min_length=1)
    prefixes: dict[Part, InnerPath] = {}

    @model_validator(mode="after")
    def _parts_agree(self) -> "CocoCaptions":
        if not self.prefixes.keys() <= self.files.keys():
            raise ValueError("`prefixes` may name the parts of `files` only")
        return self


class FlickrCaptions(Strict):
    """Flickr's captions: a CSV `image,caption` or a token file (`image#k<TAB>caption`), and lists of the parts.

    Attributes:
        file: The captions, relative to the dataset's folder; any form that `prompts.captions` recognises.
        split: A JSON `{"train": [image, ...], ...}`, or a text file a part with an image a line.
    """

    format: Literal["flickr"]
    file: InnerPath
    split: InnerPath | dict[Part, InnerPath]


class CsvCaptions(Strict):
    """A table with a row a caption, or a row an image with several columns of captions.

    Attributes:
        file: The CSV file, relative to the dataset's folder; its first row names the columns.
        path: Column of the image's path, relative to the image folder.
        captions: Columns of captions.
        split: Column with `train`, `val` or `test`.
    """

    format: Literal["csv"]
    file: InnerPath
    path: str = "path"
    captions: list[str] = Field(default=["caption"], min_length=1)
    split: str = "split"


class ShapesCaptions(Strict):
    """The embedded shapes world: scenes with captions, drawn and written by the package."""

    format: Literal["shapes"]


CaptionSplit = Annotated[
    KarpathyCaptions | CocoCaptions | FlickrCaptions | CsvCaptions | ShapesCaptions, Field(discriminator="format")
]  # fmt: skip


class CaptionCounts(Strict):
    """Images and captions that a dataset of captions must hold."""

    train: int = 0
    val: int = 0
    test: int = 0
    captions: int


class CaptionManifest(Manifest):
    """A dataset of images with captions.

    Attributes:
        split: Where captions and parts come from.
        counts: Images and captions that it must hold.
    """

    kind: Literal["captions"]
    split: CaptionSplit
    counts: CaptionCounts | None = None
