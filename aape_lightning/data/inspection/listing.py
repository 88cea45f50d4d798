"""The datasets that are known, and which of them are under a data root."""

from pathlib import Path
from typing import Any

import yaml
from rich.box import SIMPLE_HEAD
from rich.table import Table

from aape_lightning.data.manifests import read_manifest
from aape_lightning.data.places import dataset_folder, is_built_in
from aape_lightning.data.schema import ClassManifest, Manifest
from aape_lightning.errors import ManifestError
from aape_lightning.resources import manifest_names, manifest_path

__all__ = ["known_datasets", "listing_table"]

_COUNTS = ("classes", "train", "val", "test")


def known_datasets(root: Path | None) -> list[dict[str, Any]]:
    """Every shipped dataset, domain by domain: name, title, kind, counts, and its folder where a root is given.

    Args:
        root: The data root to look into.

    Raises:
        ManifestError: If the root is no folder.
    """
    if root is not None and not root.is_dir():
        raise ManifestError(f"The data root {str(root)!r} is no folder. Name yours with --root.")
    manifests = [read_manifest(name) for short in manifest_names() for name in _names(short)]
    return [_described(manifest, root) for manifest in manifests]


def _names(short: str) -> list[str]:
    """A manifest's name, where it can do without a domain, and those of its domains."""
    content = yaml.safe_load(manifest_path(short).read_text(encoding="utf-8"))
    domains = [f"{short}/{domain}" for domain in content.get("domains", {})]
    return [short, *domains] if "counts" in content or not domains else domains


def _described(manifest: Manifest, root: Path | None) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "title": manifest.title,
        "kind": manifest.kind,
        "counts": dict(manifest.counts or ()),
        "prompts": list(manifest.prompts) if isinstance(manifest, ClassManifest) else [],
        "folder": _folder(manifest, root),
        "built_in": is_built_in(manifest),
        "licence": manifest.licence,
        "source": manifest.source,
    }


def _folder(manifest: Manifest, root: Path | None) -> str | None:
    if root is None or not manifest.folder:
        return None
    try:
        return str(dataset_folder(manifest, root))
    except ManifestError:
        return None


def listing_table(datasets: list[dict[str, Any]], root: Path | None) -> Table:
    """The datasets as a table for the terminal."""
    table = Table(box=SIMPLE_HEAD, padding=0, caption=None if root is None else f"folders under {root}")
    table.add_column("name", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    for count in _COUNTS:
        table.add_column(count, justify="right", no_wrap=True)
    if root is not None:
        table.add_column("folder", overflow="fold")  # whole names, also in 80 columns
    for dataset in datasets:
        counts = [_number(dataset["counts"].get(name)) for name in _COUNTS]
        found = [] if root is None else [_presence(dataset)]
        table.add_row(dataset["name"], dataset["kind"], *counts, *found)
    return table


def _number(count: int | None) -> str:
    return f"{count:,}" if count else "-"


def _presence(dataset: dict[str, Any]) -> str:
    if dataset["built_in"]:
        return "built in"
    return Path(dataset["folder"]).name if dataset["folder"] else "-"
