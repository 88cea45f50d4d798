"""What `aape data init` shows and writes: a guessed manifest, in words and as YAML."""

import os
from pathlib import Path

import yaml
from rich.table import Table

from aape_lightning.data.places import data_root
from aape_lightning.data.schema import ClassManifest
from aape_lightning.data.schema.classes import CsvSplit, FoldersSplit, PromptSource
from aape_lightning.data.sentences import sentences_of
from aape_lightning.data.splits import PARTS, Split
from aape_lightning.errors import PromptError, listed

__all__ = ["completed", "described", "manifest_text"]


def completed(manifest: ClassManifest, split: Split, *, name: str | None, prompts: Path | None) -> ClassManifest:
    """A guessed manifest with the user's name and sentences.

    Args:
        manifest: As `guess_manifest` gives it.
        split: Its split.
        name: Short name; the guessed one where None.
        prompts: A sentence file, read and matched at once so that a class without sentences is known now.

    Raises:
        PromptError: If the sentences are missing or do not cover every class.
    """
    if name is not None:
        manifest = manifest.model_copy(update={"name": name, "title": name})
    if prompts is not None:
        source = {"sentences": PromptSource(file=os.path.abspath(prompts))}
        manifest = manifest.model_copy(update={"prompts": source})
        found = sentences_of(manifest, data_root(manifest, None), split.class_names, "sentences")
        if empty := [class_name for class_name, texts in found.items() if not texts]:
            raise PromptError(f"{str(prompts)!r} has no sentences for {listed(empty, limit=20)}. Add some to it.")
    return manifest


def described(manifest: ClassManifest, split: Split) -> Table:
    """Classes, parts and rule of a guessed manifest, for the user to look at."""
    table = Table("", "guessed", title=manifest.title)
    table.add_row("classes", f"{len(split.class_names):,}: {listed(split.class_names)}")
    for part in PARTS:
        table.add_row(f"{part} images", f"{len(split.part(part)):,}")
    table.add_row("split", _rule(manifest))
    table.add_row("sentences", str(next(iter(manifest.prompts.values())).file) if manifest.prompts else "none")
    return table


def _rule(manifest: ClassManifest) -> str:
    split = manifest.split
    if split.format == "coop":
        return f"as {split.file} says"
    if split.format == "csv" and split.split is not None:
        return f"by the column {split.split!r} of {split.file}"
    if split.format in ("csv", "folders") and split.cut is not None:
        rest = 1 - split.cut.train - split.cut.val
        shares = f"{split.cut.train:.0%} train, {split.cut.val:.0%} val" + (f", {rest:.0%} test" if rest > 1e-9 else "")
        return f"each class cut at random (seed {split.cut.seed}): {shares}"
    return "by folders"


def manifest_text(manifest: ClassManifest, split: Split, place: Path, out: Path | None) -> str:
    """The manifest as YAML, with what it says relative to the folder that it will lie in.

    Args:
        manifest: The guessed manifest.
        split: Its split.
        place: What it was guessed from, for the header.
        out: Where it will be written; paths stay absolute where None, or where the data lie elsewhere.
    """
    content = manifest.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    content["split"] = {"format": manifest.split.format} | content["split"]
    if isinstance(manifest.split, CsvSplit | FoldersSplit) and manifest.split.cut is not None:
        content["split"]["cut"] = manifest.split.cut.model_dump()  # in full, so that it can be seen and changed
    root = Path(str(manifest.root))
    content["root"] = _beside(root, out)
    for source in content.get("prompts", {}).values():
        if not os.path.isabs(content["root"]) and _inside(Path(source["file"]), out):
            source["file"] = os.path.relpath(Path(source["file"]).resolve(), root.resolve())
    content["images"] = manifest.images[0]
    content["counts"] = {"classes": len(split.class_names)} | {part: len(split.part(part)) for part in PARTS}
    if manifest.split.format == "folders":
        content["class_names"] = {name: name for name in split.class_names}
    order = ("name", "title", "root", "images", "split", "class_names", "prompts", "counts")
    header = (
        f"# Guessed by `aape data init {place.resolve().name}`. Name classes in words (folder: name) for CLIP.\n"
        "# Title, licence, source, templates and further sentence files may be added, as in the manifests that ship.\n"
    )
    chosen = {key: content[key] for key in order if key in content}
    return header + yaml.safe_dump(chosen, sort_keys=False, allow_unicode=True, width=120)


def _beside(root: Path, out: Path | None) -> str:
    """The root relative to the manifest's folder where it lies inside it; absolute elsewhere."""
    if out is None or not _inside(root, out):
        return os.path.abspath(root)
    return os.path.relpath(root.resolve(), out.resolve().parent)


def _inside(path: Path, out: Path | None) -> bool:
    """Whether something lies in the folder of the manifest, or below."""
    return out is not None and path.resolve().is_relative_to(out.resolve().parent)
