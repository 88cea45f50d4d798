"""A hash of what a dataset's files say: results made from other contents are not taken for the same."""

import hashlib
from pathlib import Path

from aape_lightning.data.manifests import Manifest
from aape_lightning.data.readers import read_split
from aape_lightning.data.sentences import sentence_file

__all__ = ["contents_hash"]


def contents_hash(manifest: Manifest, root: Path, prompts: str) -> str:
    """Hash of manifest, split and sentences; images are known by their paths.

    Args:
        manifest: The dataset.
        root: The data root.
        prompts: A source of the manifest, `templates`, a JSON file, or a prompt bank; a missing file counts as empty.

    Raises:
        ManifestError: If the dataset's folder or split is missing.
    """
    digest = hashlib.sha256(manifest.model_dump_json().encode())
    digest.update(repr(read_split(manifest, root)).encode())
    file = sentence_file(manifest, root, prompts)
    digest.update(file.read_bytes() if file and file.is_file() else b"")
    return digest.hexdigest()
