"""One folder a class: ImageNet and its variants, domains, and any ImageFolder; always listed in sorted order."""

from pathlib import Path

from aape_lightning.data.image_files import class_folders, list_images
from aape_lightning.data.readers.cut import cut_classes
from aape_lightning.data.schema.classes import FoldersSplit
from aape_lightning.data.splits import Item, Part, Split
from aape_lightning.errors import DataError, ManifestError, did_you_mean, listed

__all__ = ["read_folders_split"]


def read_folders_split(
    images: Path, source: FoldersSplit, class_names: dict[str, str] | list[str] | None, title: str
) -> Split:
    """List a dataset's class folders.

    Args:
        images: The image folder, to which the items' paths are relative.
        source: Which folders hold which part, or how to cut.
        class_names: Folder's key -> name in label order, or names for the sorted folders; the folders' own names, those
            of the training part where there is one, where absent.
        title: The dataset, for errors.

    Raises:
        ManifestError: If a folder is missing or is no class.
        DataError: If a part is empty, or a class is too small to be cut.
    """
    parts: dict[Part, str] = dict(source.parts) or {"train": "."}
    of_classes = parts.get("train") or next(iter(parts.values()))
    keys = _keys(images / of_classes, source, class_names)
    listing = {part: _items(images, folder, keys, title) for part, folder in parts.items()}
    for part, items in listing.items():
        if not items:
            raise DataError(f"{title}: there is no image in the class folders of {str(images / parts[part])!r}.")
    if source.cut is not None:
        train, val, test = cut_classes(listing["train"], source.cut)
        listing = {"train": train, "val": listing.get("val", []) + val, "test": listing.get("test", []) + test}
    return Split(_names(keys, class_names), **{part: listing.get(part, []) for part in ("train", "val", "test")})


def _keys(folder: Path, source: FoldersSplit, class_names: dict[str, str] | list[str] | None) -> list[str]:
    """Each label's folder."""
    if class_names is not None and source.numbered:
        return [str(label) for label in range(len(class_names))]
    if isinstance(class_names, dict):
        return list(class_names)
    return class_folders(folder)


def _names(keys: list[str], class_names: dict[str, str] | list[str] | None) -> list[str]:
    if class_names is None:
        return keys
    names = list(class_names.values()) if isinstance(class_names, dict) else class_names
    if len(names) != len(keys):
        raise ManifestError(f"The manifest has {len(names)} class names, and there are {len(keys)} class folders.")
    return names


def _items(images: Path, folder: str, keys: list[str], title: str) -> list[Item]:
    """The images of one part, label by label."""
    present = class_folders(images / folder)
    if missing := [key for key in keys if key not in set(present)]:
        raise ManifestError(
            f"{title}: {len(missing)} of {len(keys)} classes have no folder in {str(images / folder)!r}: "
            f"{listed(missing)}.{did_you_mean(missing[0], present)}"
        )
    if unknown := [name for name in present if name not in set(keys)]:
        raise ManifestError(
            f"{title}: {str(images / folder)!r} holds {len(unknown)} folders that are no class: {listed(unknown)}."
            f"{did_you_mean(unknown[0], keys)} Name them in the manifest's `class_names`, or move them away."
        )
    prefix = "" if folder == "." else f"{folder}/"
    return [
        Item(f"{prefix}{key}/{path}", label)
        for label, key in enumerate(keys)
        for path in list_images(images / folder / key)
    ]
