"""The sentences of a dataset's classes, from its manifest's sources or a user's file, under the dataset's names."""

from collections.abc import Sequence
from pathlib import Path

from aape_lightning.data.schema import ClassManifest
from aape_lightning.data.schema.classes import PromptSource
from aape_lightning.data.shapes import shapes_sentences
from aape_lightning.errors import PromptError, did_you_mean, listed
from aape_lightning.prompts.names import match_names, present_names
from aape_lightning.prompts.sources import fill_templates, read_sentences

__all__ = ["chosen_source", "sentence_file", "sentences_of"]

TEMPLATES = "templates"


def sentences_of(
    manifest: ClassManifest,
    root: Path,
    class_names: Sequence[str],
    prompts: str | None,
    *,
    templates_for_missing: bool = False,
) -> dict[str, list[str]]:
    """The sentences of each class, under the dataset's names; classes of one name share theirs.

    Args:
        manifest: The dataset.
        root: The data root, to which the manifest's prompt files are relative.
        class_names: The classes that need sentences.
        prompts: As for `chosen_source`.
        templates_for_missing: Give a class without sentences those of the manifest's templates.

    Raises:
        PromptError: If the source is unknown, its file missing, or it does not know a class. A class that it knows and
            has no sentence for keeps an empty list.
    """
    prompts = chosen_source(manifest, root, prompts)
    filled = fill_templates(class_names, manifest.templates)
    if prompts == TEMPLATES:
        return filled
    source = manifest.prompts.get(prompts) or PromptSource(file=prompts, aliases=_all_aliases(manifest))
    file = sentence_file(manifest, root, prompts)
    dataset = source.dataset or manifest.name
    found = shapes_sentences() if file is None else read_sentences(file, format=source.format, dataset=dataset)
    match = present_names if templates_for_missing else match_names
    named = {name: found[key] for name, key in match(found, class_names, source.aliases).items()}
    if templates_for_missing:
        return {name: named.get(name) or filled[name] for name in filled}
    return named


def chosen_source(manifest: ClassManifest, root: Path, prompts: str | None) -> str:
    """The sentence source that is meant.

    Args:
        manifest: The dataset.
        root: The data root, to which the manifest's prompt files are relative.
        prompts: A source of the manifest, `templates`, a JSON file, or a prompt bank. Where None, the manifest's first
            source whose file is there, and its first where none is.

    Raises:
        PromptError: If there is no such source, or the manifest has none to choose.
    """
    if prompts is None:
        if not manifest.prompts:
            raise PromptError(
                f"The manifest of {manifest.title} names no sentences. Name a file of them with --data.prompts FILE, "
                "or make them of the class names with --data.prompts templates."
            )
        files = {name: _file_of(source, root) for name, source in manifest.prompts.items()}
        there = [name for name, file in files.items() if file is None or file.is_file()]
        return next(iter(there or files))
    if prompts not in manifest.prompts and prompts != TEMPLATES and not prompts.endswith((".json", ".safetensors")):
        known = [*manifest.prompts, TEMPLATES]
        raise PromptError(
            f"No sentence source {prompts!r} in the manifest of {manifest.title}; it has {listed(known)}, and a JSON "
            f"file or a prompt bank (.safetensors) will do as well (--data.prompts).{did_you_mean(prompts, known)}"
        )
    return prompts


def sentence_file(manifest: ClassManifest, root: Path, prompts: str | None) -> Path | None:
    """The file that holds the sentences; None for templates, and where the dataset makes its own.

    Args:
        manifest: The dataset.
        root: The data root, to which the manifest's prompt files are relative.
        prompts: As for `chosen_source`.
    """
    prompts = chosen_source(manifest, root, prompts)
    if prompts in manifest.prompts:
        return _file_of(manifest.prompts[prompts], root)
    return None if prompts == TEMPLATES else Path(prompts)


def _file_of(source: PromptSource, root: Path) -> Path | None:
    return root / source.file if source.file else None


def _all_aliases(manifest: ClassManifest) -> dict[str, str]:
    """A sentence file given by path may be a copy of any of the manifest's, so every alias holds for it."""
    return {key: name for source in manifest.prompts.values() for key, name in source.aliases.items()}
