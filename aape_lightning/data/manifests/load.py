"""Manifests: read by short name, by path, by domain, or guessed from a folder of images."""

import os
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from aape_lightning.data.manifests.guess import guess_manifest
from aape_lightning.data.manifests.names_file import read_names_file
from aape_lightning.data.schema import CaptionManifest, ClassManifest, Manifest, QuestionManifest
from aape_lightning.data.schema.classes import Counts, FoldersSplit, ShapesSplit
from aape_lightning.errors import ManifestError, did_you_mean, listed
from aape_lightning.formats.inside import leads_out
from aape_lightning.formats.yaml_content import parse_yaml
from aape_lightning.resources import manifest_names, manifest_path

__all__ = [
    "domains_of",
    "load_caption_manifest",
    "load_manifest",
    "load_question_manifest",
    "read_manifest",
]

_KINDS: dict[str, type[Manifest]] = {
    "classes": ClassManifest,
    "captions": CaptionManifest,
    "questions": QuestionManifest,
}
_KEYS = sorted({key for schema in _KINDS.values() for key in schema.model_fields})
_TARGET = ":target"

M = TypeVar("M", bound=Manifest)


def load_manifest(name: str) -> ClassManifest:
    """The manifest of a dataset of classified images.

    Args:
        name: A short name (`caltech101`), a manifest's path, a folder of images, or a domain of a dataset that has
            domains: `pacs/photo` as a source (its own training, validation and test images), `pacs/photo:target` as a
            target (all its images are for testing). The drawing styles of the shapes world are its domains:
            `shapes/sketch`, and `shapes/sketch:target` with the test images alone, which show the same scenes in each
            style; `shapes` by itself is drawn flat. A short name comes first: in CoOp's $DATA, `eurosat` is the
            manifest, and `./eurosat` or `eurosat/` the folder.

    Raises:
        ManifestError: If there is none, it is not YAML, it breaks the schema (every fault is listed), or it is of
            another kind.
    """
    return _of_kind(name, ClassManifest, "classified images")


def load_caption_manifest(name: str) -> CaptionManifest:
    """The manifest of a dataset of captions, by its short name or its path.

    Raises:
        ManifestError: As `load_manifest`.
    """
    return _of_kind(name, CaptionManifest, "captions")


def load_question_manifest(name: str) -> QuestionManifest:
    """The manifest of a dataset of questions, by its short name or its path.

    Raises:
        ManifestError: As `load_manifest`.
    """
    return _of_kind(name, QuestionManifest, "questions")


def domains_of(name: str) -> list[str]:
    """The domains of a dataset, by the short name or the path of its manifest; the first is what it is by itself.

    Raises:
        ManifestError: As `load_manifest`.
    """
    manifest = _parse(manifest_path(name))
    return list(manifest.domains) if isinstance(manifest, ClassManifest) else []


def _of_kind(name: str, kind: type[M], what: str) -> M:
    manifest = read_manifest(name)
    if not isinstance(manifest, kind):
        raise ManifestError(f"The manifest {name!r} is of {manifest.kind}, and what you asked for needs {what}.")
    return manifest


def read_manifest(name: str) -> Manifest:
    """A manifest of whatever kind; names as for `load_manifest`.

    Raises:
        ManifestError: As `load_manifest`.
    """
    is_short = name.partition("/")[0] in manifest_names() and not name.endswith("/")
    if os.path.isdir(name) and not is_short:
        return guess_manifest(Path(name))
    is_path = os.path.isfile(name) or Path(name).is_absolute()
    plain, _, domain = (name, "", "") if is_path else name.partition("/")
    path = manifest_path(plain if domain else name)
    manifest = _parse(path)
    if isinstance(manifest, ClassManifest) and manifest.domains:
        is_whole = manifest.counts is not None and not domain
        return manifest if is_whole else _domain(manifest, domain)
    if domain:
        hint = f" The folder is meant by {f'./{name}'!r}." if os.path.isdir(name) else ""
        raise ManifestError(f"The manifest {plain!r} has no domains, so there is no {name!r}.{hint}")
    return manifest


def _parse(path: Path) -> Manifest:
    content = parse_yaml(path, ManifestError, "Manifest")
    try:
        return _schema_of(content).model_validate(_beside(path, content))
    except ValidationError as error:
        faults = [f"  {_fault(fault)}" for fault in error.errors()]
        raise ManifestError("\n".join([f"Manifest {str(path)!r} breaks the schema:", *faults])) from error


def _fault(fault: Any) -> str:  # noqa: ANN401 - pydantic's record of a fault
    place = list(fault["loc"])
    if place[:1] == ["split"]:
        del place[1:2]  # the format, which pydantic names as if it were a key
    known = fault["type"] == "extra_forbidden" and did_you_mean(str(place[-1]), _KEYS)
    told = f"{fault['msg'].removeprefix('Value error, ')}{known or ''}"  # pydantic's mark of what a validator said
    return f"{'.'.join(map(str, place))}: {told}" if place else told


def _schema_of(content: Any) -> type[Manifest]:  # noqa: ANN401 - a file's content
    kind = content.get("kind", "classes") if isinstance(content, dict) else "classes"
    return _KINDS.get(kind, ClassManifest) if isinstance(kind, str) else ClassManifest


def _beside(path: Path, content: Any) -> Any:  # noqa: ANN401
    """The content with what it says relative to the manifest's own folder resolved."""
    if not isinstance(content, dict):
        return content
    resolved = dict(content)
    if isinstance(names := content.get("class_names"), str):
        if leads_out(names):
            raise ManifestError(f"Manifest {str(path)!r}: class_names {names!r} leads out of the manifest's folder.")
        resolved["class_names"] = read_names_file(path.parent / names, keyed=_has_keys(content))
    if isinstance(root := content.get("root"), str):
        resolved["root"] = str((path.parent / root).absolute())
    return resolved


def _has_keys(content: dict[str, Any]) -> bool:
    split = content.get("split")
    return isinstance(split, dict) and split.get("format") == "folders"


def _domain(manifest: ClassManifest, asked: str) -> ClassManifest:
    """One domain of a dataset, as a source or as a target."""
    domain, is_target = asked.removesuffix(_TARGET), asked.endswith(_TARGET)
    names = [f"{manifest.name}/{name}" for name in manifest.domains]
    if domain not in manifest.domains:
        raise ManifestError(
            f"{manifest.title} has domains, and {f'{manifest.name}/{domain}'!r} is none of them: name one of "
            f"{listed(names)} (with {_TARGET!r} behind it, it is for testing only)."
            f"{did_you_mean(f'{manifest.name}/{domain}', names)}"
        )
    return manifest.model_copy(
        update={
            "name": f"{manifest.name}/{asked}",
            "title": f"{manifest.title}, {domain}{' (target)' if is_target else ''}",
            "domains": {},
            **(_of_style if isinstance(manifest.split, ShapesSplit) else _of_folder)(manifest, domain, is_target),
        }
    )


def _of_folder(manifest: ClassManifest, domain: str, is_target: bool) -> dict[str, Any]:
    """A domain that is a folder of images, all of which are for testing in a target."""
    counts, images = manifest.domains[domain], [f"{folder}/{domain}" for folder in manifest.images]
    if not is_target:
        return {"images": images, "split": manifest.split, "counts": counts}
    everything = Counts(classes=counts.classes, test=counts.train + counts.val + counts.test)
    return {"images": images, "split": FoldersSplit(format="folders", parts={"test": "."}), "counts": everything}


def _of_style(manifest: ClassManifest, domain: str, is_target: bool) -> dict[str, Any]:
    """A domain that is a drawing style; a target shows the scenes that a source is tested on, and no others."""
    counts, split = manifest.domains[domain], ShapesSplit(format="shapes", style=domain)
    if not is_target:
        return {"split": split, "counts": counts}
    tested = Counts(classes=counts.classes, test=counts.test)
    return {"split": split.model_copy(update={"parts": ("test",)}), "counts": tested}
