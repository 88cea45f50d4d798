"""The sentences of a dataset's classes, from its manifest's sources or a user's file, under the dataset's names."""

from collections.abc import Sequence
from pathlib import Path

from aape_lightning.data.manifests import Manifest, PromptSource
from aape_lightning.data.shapes import shapes_sentences
from aape_lightning.errors import PromptError, did_you_mean, listed
from aape_lightning.prompts.names import match_names
from aape_lightning.prompts.sources import fill_templates, read_sentences

__all__ = ["sentence_file", "sentences_of"]


def sentences_of(manifest: Manifest, root: Path, class_names: Sequence[str], prompts: str) -> dict[str, list[str]]:
    """The sentences of each class, under the dataset's names.

    Args:
        manifest: The dataset.
        root: The data root, to which the manifest's prompt files are relative.
        class_names: The classes that need sentences.
        prompts: A source of the manifest, `templates`, or a JSON file.

    Raises:
        PromptError: If the source is unknown, its file missing, or a class has no sentence in it.
    """
    if prompts == "templates":
        return fill_templates(class_names, manifest.templates)
    source = manifest.prompts.get(prompts)
    if source is None and not prompts.endswith(".json"):
        known = [*manifest.prompts, "templates"]
        raise PromptError(
            f"No sentence source {prompts!r} in the manifest of {manifest.title}; it has {listed(known)}, and a JSON "
            f"file or a prompt bank (.safetensors) will do as well (--data.prompts).{did_you_mean(prompts, known)}"
        )
    if source is None:
        source = PromptSource(file=prompts, aliases=_all_aliases(manifest))
    file = sentence_file(manifest, root, prompts)
    found = shapes_sentences() if file is None else read_sentences(file)
    return {name: found[key] for name, key in match_names(found, class_names, source.aliases).items()}


def sentence_file(manifest: Manifest, root: Path, prompts: str) -> Path | None:
    """The file that holds the sentences; None for templates, and where the dataset makes its own.

    Args:
        manifest: The dataset.
        root: The data root, to which the manifest's prompt files are relative.
        prompts: A source of the manifest, `templates`, a JSON file, or a prompt bank.
    """
    if prompts in manifest.prompts:
        named = manifest.prompts[prompts].file
        return root / named if named else None
    return None if prompts == "templates" else Path(prompts)


def _all_aliases(manifest: Manifest) -> dict[str, str]:
    """A sentence file given by path may be a copy of any of the manifest's, so every alias holds for it."""
    return {key: name for source in manifest.prompts.values() for key, name in source.aliases.items()}
