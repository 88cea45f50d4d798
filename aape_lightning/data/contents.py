"""A hash of what a dataset's files say: results made from other contents are not taken for the same."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from aape_lightning.data.readers.split import read_split
from aape_lightning.data.schema import ClassManifest

__all__ = ["contents_hash"]


def contents_hash(manifest: ClassManifest, root: Path, files: Iterable[Path | str | None]) -> str:
    """Hash of manifest, split and further files; images are known by their paths.

    Args:
        manifest: The dataset.
        root: The data root.
        files: Sentences, draws; what is None or missing counts as empty.

    Raises:
        ManifestError: If the dataset's folder or split is missing.
    """
    digest = hashlib.sha256(manifest.model_dump_json(exclude={"root"}).encode())
    digest.update(repr(read_split(manifest, root)).encode())
    for file in files:
        content = Path(file).read_bytes() if file is not None and Path(file).is_file() else b""
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()
