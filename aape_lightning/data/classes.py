"""The names of a dataset's classes, from its manifest alone where that lists them."""

from pathlib import Path

from aape_lightning.data.readers.split import read_split
from aape_lightning.data.schema import ClassManifest

__all__ = ["class_names_of"]


def class_names_of(manifest: ClassManifest, root: Path) -> list[str]:
    """Class names in label order; two classes may share one, as ImageNet's "missile" and "sunglasses" do.

    Args:
        manifest: The dataset. Where it lists its names, no file of the dataset is needed.
        root: The data root.

    Raises:
        ManifestError: If the names stand in the split alone, and that is missing.
        DataError: If the split is malformed.
    """
    names = manifest.listed_names
    return read_split(manifest, root).class_names if names is None else names
