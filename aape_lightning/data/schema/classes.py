"""Manifests of classified images: their splits, class names, templates and sentence files."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from aape_lightning.data.schema.base import InnerPath, Manifest, Strict
from aape_lightning.data.splits import PARTS, Part
from aape_lightning.prompts.names import normalise_name
from aape_lightning.prompts.sources import PromptFormat

__all__ = [
    "ClassManifest",
    "CoopSplit",
    "Counts",
    "CsvSplit",
    "Cut",
    "FgvcSplit",
    "FoldersSplit",
    "PromptSource",
    "ShapesSplit",
]


class Cut(Strict):
    """A rule for images that have no official split: each class is shuffled and cut, as CoOp does it.

    Attributes:
        train: Fraction of each class that becomes training images.
        val: Fraction that becomes validation images; the rest is for testing.
        seed: Seed of the shuffle.
    """

    train: float = Field(default=0.5, gt=0, le=1)
    val: float = Field(default=0.2, ge=0, lt=1)
    seed: int = 1

    @model_validator(mode="after")
    def _within_the_whole(self) -> "Cut":
        if self.train + self.val > 1 + 1e-9:
            raise ValueError(f"train and val are fractions of a class; {self.train} + {self.val} is more than 1")
        return self


class CoopSplit(Strict):
    """CoOp's split JSON, `{"train": [[path, label, class name], ...], "val": ..., "test": ...}`.

    Attributes:
        file: The file, relative to the dataset's folder.
    """

    format: Literal["coop"]
    file: InnerPath


class FgvcSplit(Strict):
    """FGVC-Aircraft's own lists, in the dataset's folder."""

    format: Literal["fgvc"]


class ShapesSplit(Strict):
    """The embedded shapes world.

    Attributes:
        style: How its scenes are drawn; they are the same in every style.
        parts: The parts that it has.
    """

    format: Literal["shapes"]
    style: str = "flat"
    parts: tuple[Part, ...] = PARTS


class FoldersSplit(Strict):
    """One folder a class, listed in sorted order.

    Attributes:
        parts: Which folder of the image folder holds each part's class folders; empty where there are no parts.
        cut: How images without a part are split: all of them, or those of `parts.train` where that is named.
        numbered: Class folders are called by the label's number instead of by the class's key.
    """

    format: Literal["folders"]
    parts: dict[Part, InnerPath] = {}
    cut: Cut | None = None
    numbered: bool = False

    @model_validator(mode="after")
    def _says_how_to_split(self) -> "FoldersSplit":
        if not self.parts and self.cut is None:
            raise ValueError("name the folders of `parts`, or a `cut` ({train: 0.5, val: 0.2, seed: 1})")
        if self.parts and self.cut is not None and "train" not in self.parts:
            raise ValueError("`cut` splits the images of parts.train, and `parts` has no train")
        if self.cut is not None and "test" in self.parts and abs(self.cut.train + self.cut.val - 1) > 1e-9:
            raise ValueError("parts.test holds the test images, so `cut` must leave none: train + val must be 1")
        return self


class CsvSplit(Strict):
    """A table with a row an image.

    Attributes:
        file: The CSV file, relative to the dataset's folder; its first row names the columns.
        path: Column of the image's path, relative to the image folder.
        label: Column of the class's name.
        split: Column with `train`, `val` or `test`; None where there is none.
        captions: Columns of captions, if there are any.
        cut: How images are split where there is no such column.
    """

    format: Literal["csv"]
    file: InnerPath
    path: str = "path"
    label: str = "label"
    split: str | None = None
    captions: list[str] = []
    cut: Cut | None = None

    @model_validator(mode="after")
    def _says_how_to_split(self) -> "CsvSplit":
        if (self.split is None) == (self.cut is None):
            raise ValueError("name either `split`, the column of parts, or a `cut` ({train: 0.5, val: 0.2, seed: 1})")
        return self


ClassSplit = Annotated[
    CoopSplit | FgvcSplit | ShapesSplit | FoldersSplit | CsvSplit, Field(discriminator="format")
]  # fmt: skip


class PromptSource(Strict):
    """A sentence file and how its names map to the dataset's.

    Attributes:
        file: The sentence file, relative to the data root, which it may leave; absent where the dataset makes its
            own.
        format: Its form; recognised by its content where absent.
        dataset: Its key for this dataset, where one file holds several; the manifest's name where absent.
        aliases: File's class name -> dataset's class name, for what the rules of `prompts.names` do not resolve.
        source: Where to get the file.
    """

    file: str | None = None
    format: PromptFormat | None = None
    dataset: str | None = None
    aliases: dict[str, str] = {}
    source: str = ""


class Counts(Strict):
    """What a split of classes must hold, to be checked against."""

    classes: int
    train: int = 0
    val: int = 0
    test: int = 0


class ClassManifest(Manifest):
    """A dataset of classified images.

    Attributes:
        split: Where the split comes from.
        class_names: Names in label order; for class folders, each folder's key -> name. A manifest file may name a
            text file instead (one name a line, after its key where there are keys). Read from the split where absent.
        templates: Templates of the zero-shot classifier.
        template_sets: Further templates by the name of their set.
        prompts: Sentence sources by name.
        counts: Classes and images that the split must hold.
        domains: What each domain's split must hold, for a dataset whose images lie in a folder a domain, and for the
            drawing styles of the shapes world. A dataset with domains that has `counts` too can do without one.
    """

    kind: Literal["classes"] = "classes"
    split: ClassSplit
    class_names: list[str] | dict[str, str] | None = None
    templates: list[str] = Field(default=["a photo of a {}."], min_length=1)
    template_sets: dict[str, list[str]] = {}
    prompts: dict[str, PromptSource] = {}
    counts: Counts | None = None
    domains: dict[InnerPath, Counts] = {}

    @property
    def listed_names(self) -> list[str] | None:
        """The class names in label order; None where the split alone has them."""
        return list(self.class_names.values()) if isinstance(self.class_names, dict) else self.class_names

    @model_validator(mode="after")
    def _keys_are_of_folders(self) -> "ClassManifest":
        if isinstance(self.class_names, dict) and not isinstance(self.split, FoldersSplit):
            raise ValueError(
                "class_names with keys are for class folders; a split of the format "
                f"{self.split.format!r} needs a list of names in label order"
            )
        if isinstance(self.split, FoldersSplit) and self.split.numbered and self.class_names is None:
            raise ValueError("numbered folders need class_names, which say how many there are and what they hold")
        return self

    @model_validator(mode="after")
    def _aliases_name_classes(self) -> "ClassManifest":
        if self.listed_names is None:
            return self
        known = {normalise_name(name) for name in self.listed_names}
        for prompts, source in self.prompts.items():
            for alias, name in source.aliases.items():
                if normalise_name(name) not in known:
                    raise ValueError(f"prompts.{prompts}.aliases: {alias!r} stands for {name!r}, which is no class")
        return self
