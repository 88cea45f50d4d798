"""Where a dataset's files lie: under a data root, in folders of which each has several names in the wild."""

import os
from pathlib import Path

from aape_lightning.data.schema import CaptionManifest, ClassManifest, Manifest, QuestionManifest
from aape_lightning.errors import ManifestError, did_you_mean, listed

__all__ = ["annotation_file", "data_root", "dataset_folder", "image_folder", "is_built_in"]


def is_built_in(manifest: Manifest) -> bool:
    """Whether the package draws the dataset's images itself, so that it has no files."""
    return (
        isinstance(manifest, ClassManifest | CaptionManifest | QuestionManifest) and manifest.split.format == "shapes"
    )


def data_root(manifest: Manifest, root: str | Path | None) -> Path:
    """The data root: the one given, else the manifest's own, else the current folder."""
    return Path(root if root is not None else manifest.root or ".")


def dataset_folder(manifest: Manifest, root: Path) -> Path:
    """The dataset's folder under the data root, by whichever of its names exists.

    Raises:
        ManifestError: If the root or the dataset's folder is missing.
    """
    if is_built_in(manifest):
        return root
    if not root.is_dir():
        raise ManifestError(f"The data root {str(root)!r} is no folder. Name yours with --data.root (or --data-root).")
    if not manifest.folder:
        return root
    found = [root / name for name in manifest.folder if os.path.isdir(root / name)]
    if not found:
        present = sorted(path.name for path in root.iterdir() if path.is_dir())
        hint = f" Get it from {manifest.source}." if manifest.source else ""
        raise ManifestError(
            f"{manifest.title} is not under {str(root)!r}: expected a folder {listed(manifest.folder)}, found "
            f"{listed(present)}.{did_you_mean(manifest.folder[0], present)}{hint}"
        )
    return found[0]


def image_folder(manifest: Manifest, root: Path) -> Path:
    """The folder to which the split's paths are relative, by whichever of its names exists.

    Raises:
        ManifestError: If the root, the dataset's folder or the image folder is missing.
    """
    folder = dataset_folder(manifest, root)
    found = [folder / name for name in manifest.images if os.path.isdir(folder / name)]
    if not found:
        hint = f" Get the images from {manifest.source}." if manifest.source else ""
        raise ManifestError(
            f"{manifest.title} has no images: expected a folder {listed(manifest.images)} in {str(folder)!r}.{hint}"
        )
    return found[0]


def annotation_file(manifest: Manifest, root: Path, name: str) -> Path:
    """A file of a dataset: in its folder, or in one inside it, such as `annotations/`.

    Args:
        manifest: The dataset.
        root: The data root.
        name: The file's name in the manifest.

    Raises:
        ManifestError: If the root, the dataset's folder or the file is missing, or the file lies in several folders.
    """
    folder = dataset_folder(manifest, root)
    if os.path.isfile(folder / name):
        return folder / name
    found = sorted(inside / name for inside in folder.iterdir() if os.path.isfile(inside / name))
    if len(found) > 1:
        raise ManifestError(
            f"{manifest.title} has several files {name!r}: {listed(map(str, found))}. Keep one, or copy it to "
            f"{str(folder)!r}."
        )
    if not found:
        hint = f" Get it from {manifest.source}." if manifest.source else ""
        raise ManifestError(f"{manifest.title} has no file {name!r} in {str(folder)!r} or a folder inside it.{hint}")
    return found[0]
