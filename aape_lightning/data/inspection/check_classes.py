"""A dataset of classified images against its manifest: counts, names, duplicates, images, sentences."""

from pathlib import Path

from aape_lightning.data.images import image_access
from aape_lightning.data.inspection.checked import Checked, Decode, check_images
from aape_lightning.data.inspection.duplicates import equal_files
from aape_lightning.data.places import image_folder, is_built_in
from aape_lightning.data.readers import read_split
from aape_lightning.data.schema import ClassManifest
from aape_lightning.data.sentences import sentence_file, sentences_of
from aape_lightning.data.splits import PARTS, Split
from aape_lightning.errors import PromptError, listed
from aape_lightning.prompts.names import normalise_name

__all__ = ["check_classes"]


def check_classes(manifest: ClassManifest, root: Path, *, decode: Decode = "all") -> Checked:
    """Check a dataset of classified images.

    Args:
        manifest: The dataset.
        root: The data root.
        decode: Which images are decoded; every listed file is looked for by name all the same.

    Raises:
        ManifestError: If a folder or the split file is missing.
        DataError: If the split is malformed.
    """
    checked, split = Checked(manifest.title), read_split(manifest, root)
    _count(checked, manifest, split)
    _class_names(checked, manifest, split)
    _overlaps(checked, split)
    paths = sorted({item.path for part in PARTS for item in split.part(part)})
    opener, size = image_access(manifest, root)
    there = check_images(checked, paths, size, opener, decode)
    if not is_built_in(manifest):
        _equal_files(checked, image_folder(manifest, root), split, set(there))
    _sentences(checked, manifest, root, split)
    return checked


def _count(checked: Checked, manifest: ClassManifest, split: Split) -> None:
    found = {"classes": len(split.class_names)} | {part: len(split.part(part)) for part in PARTS}
    expected = dict(manifest.counts or ())
    for name, number in found.items():
        checked.count(name, number, expected.get(name))
    for part in ("train", "test"):
        present = {item.label for item in split.part(part)}
        if present:  # a dataset for testing alone has no training images
            checked.faults += [
                f"class {name!r} has no {part} image"
                for label, name in enumerate(split.class_names)
                if label not in present
            ]


def _class_names(checked: Checked, manifest: ClassManifest, split: Split) -> None:
    """The split's names against the manifest's, and the aliases' against both."""
    wanted = manifest.listed_names or split.class_names
    differ = [(ours, theirs) for ours, theirs in zip(wanted, split.class_names, strict=False) if ours != theirs]
    checked.faults += [f"a class is {theirs!r} in the split and {ours!r} in the manifest" for ours, theirs in differ]
    known = {normalise_name(name) for name in split.class_names}
    checked.faults += [
        f"prompts {prompts!r}: the alias {alias!r} stands for {name!r}, which is no class"
        for prompts, source in manifest.prompts.items()
        for alias, name in source.aliases.items()
        if normalise_name(name) not in known
    ]


def _overlaps(checked: Checked, split: Split) -> None:
    shared = {item.path for item in split.train} & {item.path for item in split.test}
    checked.rows.append(("in train and test", str(len(shared)), "0"))
    checked.faults += [f"{path!r} is in train and in test" for path in sorted(shared)]


def _equal_files(checked: Checked, folder: Path, split: Split, there: set[str]) -> None:
    """Files of one content in train and in test: what is tested on was trained on, under another name."""
    train, test = ([item.path for item in part if item.path in there] for part in (split.train, split.test))
    pairs = [pair for pair in equal_files(folder, train, test) if pair[0] != pair[1]]
    checked.rows.append(("equal files in train and test", str(len(pairs)), "0"))
    checked.notes += [f"{one!r} (train) and {other!r} (test) are the same file" for one, other in pairs[:10]]


def _sentences(checked: Checked, manifest: ClassManifest, root: Path, split: Split) -> None:
    """Every source that is there must have sentences for every class, and one must be there."""
    if not manifest.prompts:
        checked.rows.append(("sentences", "the manifest names none", "-"))
        checked.notes.append("only the images were checked: the manifest names no sentences")
    absent = [name for name in manifest.prompts if not _is_there(sentence_file(manifest, root, name))]
    for name in manifest.prompts:
        if name in absent and len(absent) < len(manifest.prompts):
            checked.notes.append(f"the sentences {name!r} are not there: {sentence_file(manifest, root, name)}")
            continue
        try:
            found = sentences_of(manifest, root, split.class_names, name)
        except PromptError as error:
            checked.faults.append(f"sentences {name!r}: {error}")
            continue
        empty = [class_name for class_name, texts in found.items() if not texts]
        covered, expected = len(found) - len(empty), len(found)
        checked.rows.append((f"classes with sentences ({name})", f"{covered:,}", f"{expected:,}"))
        if empty:
            checked.faults.append(f"sentences {name!r}: none for {listed(empty, limit=20)}")


def _is_there(file: Path | None) -> bool:
    return file is None or file.is_file()
