"""A dataset is a manifest: where its files lie, its classes, templates, sentences, counts, licence and source."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aape_lightning.errors import ManifestError, did_you_mean, listed
from aape_lightning.resources import manifest_path

__all__ = ["Counts", "Manifest", "PromptSource", "SplitSource", "dataset_folder", "load_manifest"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SplitSource(_Strict):
    """Where the split comes from.

    Attributes:
        format: `coop` is CoOp's split JSON; `fgvc` FGVC-Aircraft's lists; `shapes` the embedded shapes world.
        file: Its file, relative to the dataset's folder.
    """

    format: Literal["coop", "fgvc", "shapes"]
    file: str | None = None

    @model_validator(mode="after")
    def _coop_has_a_file(self) -> "SplitSource":
        if self.format == "coop" and not self.file:
            raise ValueError("the format 'coop' needs `file`, the split's file in the dataset's folder")
        return self


class PromptSource(_Strict):
    """A sentence file and how its names map to the dataset's.

    Attributes:
        file: The sentence file, relative to the data root; absent where the dataset makes its own sentences.
        aliases: File's class name -> dataset's class name, for what the rules of `prompts.names` do not resolve.
        source: Where to get the file.
    """

    file: str | None = None
    aliases: dict[str, str] = {}
    source: str = ""


class Counts(_Strict):
    """What the split must hold, to be checked against."""

    classes: int
    train: int
    val: int
    test: int


class Manifest(_Strict):
    """One dataset.

    Attributes:
        name: Short name, CoOp's where CoOp has one.
        title: Full name.
        folder: Folder names under the data root, in order of preference; empty for the shapes world.
        images: Image folder inside the dataset's folder, to which the split's paths are relative.
        split: Where the split comes from.
        templates: Templates of the zero-shot classifier.
        prompts: Sentence sources by name.
        counts: Classes and images that the split must hold.
        licence: Terms of use.
        source: Where to get it.
    """

    name: str
    title: str
    folder: list[str] = []
    images: str = "."
    split: SplitSource
    templates: list[str] = Field(["a photo of a {}."], min_length=1)
    prompts: dict[str, PromptSource] = {}
    counts: Counts
    licence: str
    source: str


def load_manifest(name: str) -> Manifest:
    """Read a manifest by its short name or its path.

    Raises:
        ManifestError: If there is none, it is not YAML, or it breaks the schema; every fault is listed.
    """
    path = manifest_path(name)
    try:
        return Manifest.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ManifestError(f"Manifest {str(path)!r} is not YAML: {error}.") from error
    except ValidationError as error:
        faults = [f"  {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise ManifestError("\n".join([f"Manifest {str(path)!r} breaks the schema:", *faults])) from error


def dataset_folder(manifest: Manifest, root: Path) -> Path:
    """The dataset's folder under the data root, by whichever of its names exists.

    Raises:
        ManifestError: If the root or the dataset's folder is missing.
    """
    if not manifest.folder:
        return root
    if not root.is_dir():
        raise ManifestError(f"The data root {str(root)!r} is no folder. Name yours with --data.root (or --data-root).")
    found = [root / name for name in manifest.folder if (root / name).is_dir()]
    if not found:
        present = sorted(path.name for path in root.iterdir() if path.is_dir())
        raise ManifestError(
            f"{manifest.title} is not under {str(root)!r}: expected a folder {listed(manifest.folder)}, found "
            f"{listed(present)}.{did_you_mean(manifest.folder[0], present)} Get it from {manifest.source}."
        )
    return found[0]
