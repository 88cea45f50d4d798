"""Recipes and manifests by short name: found beside the package, or inside the installed wheel."""

import os
from collections.abc import Iterable
from pathlib import Path

from aape_lightning.errors import AAPEError, ManifestError, PromptError, RecipeError, did_you_mean, listed

__all__ = [
    "manifest_names",
    "manifest_path",
    "method_names",
    "method_path",
    "recipe_names",
    "recipe_path",
    "template_set_names",
    "template_set_path",
    "written_names",
    "written_path",
]

_PACKAGE = Path(__file__).parent


def _folder(name: str) -> Path:
    """`recipes` or `data_manifests`: the wheel carries them inside the package, a checkout beside it."""
    installed = _PACKAGE / f"_{name}"
    return installed if installed.is_dir() else _PACKAGE.parent / name


def _by_stem(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.rglob("*.yaml"))}


_WRITTEN = ("paper", "studies")  # whole protocols, which `aape protocol run` takes


def _runs() -> dict[str, Path]:
    others = [_folder("recipes") / name for name in ("methods", *_WRITTEN)]
    found = _by_stem(_folder("recipes"))
    return {name: path for name, path in found.items() if not any(other in path.parents for other in others)}


def _written() -> dict[str, Path]:
    return {name: path for folder in _WRITTEN for name, path in _by_stem(_folder("recipes") / folder).items()}


def _find(kind: str, name: str, known: dict[str, Path], error: type[AAPEError]) -> Path:
    if os.path.isfile(name):  # unlike Path's, without an error of the system for a name that is too long for a file
        return Path(name)
    if name in known:
        return known[name]
    names = listed(sorted(known), limit=80)
    raise error(f"No {kind} {name!r}.{did_you_mean(name, known)} It is neither a file nor one of {names}.")


def recipe_names() -> Iterable[str]:
    """Short names of the shipped recipes."""
    return _runs()


def recipe_path(name: str) -> Path:
    """The file of a recipe, by its path or its short name.

    Raises:
        RecipeError: If it is neither.
    """
    return _find("recipe", name, _runs(), RecipeError)


def method_names() -> Iterable[str]:
    """Short names of the shipped methods."""
    return _by_stem(_folder("recipes") / "methods")


def method_path(name: str) -> Path:
    """The file of a method, by its path or its short name.

    Raises:
        RecipeError: If it is neither.
    """
    return _find("method", name, _by_stem(_folder("recipes") / "methods"), RecipeError)


def written_names() -> Iterable[str]:
    """Short names of the shipped files that state a whole protocol: the paper's tables, and our own studies."""
    return _written()


def written_path(name: str) -> Path:
    """The file of a written protocol, by its path or its short name.

    Raises:
        RecipeError: If it is neither.
    """
    return _find("written protocol", name, _written(), RecipeError)


def manifest_names() -> Iterable[str]:
    """Short names of the shipped manifests."""
    return _by_stem(_folder("data_manifests"))


def manifest_path(name: str) -> Path:
    """The file of a manifest, by its path or its short name.

    Raises:
        ManifestError: If it is neither.
    """
    return _find("manifest", name, _by_stem(_folder("data_manifests")), ManifestError)


def template_set_names() -> Iterable[str]:
    """Names of the shipped sets of templates, which hold for any dataset."""
    return _template_sets()


def template_set_path(name: str) -> Path:
    """The file of a shipped set of templates, one a line.

    Raises:
        PromptError: If there is no such set.
    """
    return _find("set of templates", name, _template_sets(), PromptError)


def _template_sets() -> dict[str, Path]:
    return {path.stem: path for path in sorted((_folder("data_manifests") / "templates").glob("*.txt"))}
