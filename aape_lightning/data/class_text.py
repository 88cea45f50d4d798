"""Texts of classes: their names in templates, and the sentences about them, embedded and cached."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from aape_lightning.backbones import Backbone
from aape_lightning.data.bank_rows import first_sentences
from aape_lightning.data.schema import ClassManifest
from aape_lightning.data.sentences import chosen_source, sentences_of
from aape_lightning.errors import PromptError, listed
from aape_lightning.prompts import Curation, PromptBank, curate, fill_templates, open_or_build_bank

__all__ = ["ClassText", "curated_sentences", "load_sentences"]


class ClassText:
    """Embeds texts of classes with one backbone, through the cache of prompt banks.

    Args:
        backbone: The frozen encoder.
        folder: The cache folder of banks.
        device: Where the text tower runs and the results live.
    """

    def __init__(self, backbone: Backbone, folder: Path, device: torch.device) -> None:
        self.backbone = backbone
        self.folder = folder
        self.device = device

    def bank(self, sentences: Mapping[str, Sequence[str]], class_names: Sequence[str]) -> PromptBank:
        """The bank of these classes' sentences, in the order of the classes, on the device.

        Classes of one name (ImageNet's two of "missile") have the same sentences, embedded once.
        """
        bank = open_or_build_bank(self.backbone, sentences, self.folder, self.device)
        return bank.select(class_names).to(self.device)

    def open(self, path: Path, class_names: Sequence[str]) -> PromptBank:
        """A bank file's part for these classes, on the device.

        Raises:
            PromptError: If the file lacks a class.
            BackboneMismatchError: If another backbone made it.
        """
        bank = PromptBank.open(path, self.backbone, verify=True)
        if missing := [name for name in class_names if name not in bank.keys]:
            raise PromptError(f"The prompt bank {str(path)!r} has no sentences for {listed(missing, limit=20)}.")
        return bank.select(class_names).to(self.device)

    def embed_classes(self, class_names: Sequence[str], templates: Sequence[str]) -> Float[Tensor, "c d"]:
        """w_c: each class's embedding by a template, or the normalised mean over several."""
        return self.bank(fill_templates(class_names, templates), class_names).means()


def load_sentences(
    text: ClassText,
    manifest: ClassManifest,
    root: Path,
    class_names: Sequence[str],
    prompts: str | None,
    *,
    templates_for_missing: bool = False,
    truncate: bool = False,
    per_class: int | None = None,
) -> PromptBank:
    """The prompt bank of a dataset's classes: found, matched, curated, embedded; with a line on what was dropped.

    Args:
        text: What embeds them.
        manifest: The dataset.
        root: The data root.
        class_names: The classes.
        prompts: As for `chosen_source`.
        templates_for_missing: As for `sentences_of`.
        truncate: As for `curate`.
        per_class: Sentences a class at the most, the first that curation leaves; all are embedded, once for every
            number.

    Raises:
        PromptError: If a class is left without a sentence.
        BackboneMismatchError: If `prompts` is a bank of another backbone.
    """
    prompts = chosen_source(manifest, root, prompts)
    if prompts.endswith(".safetensors"):
        return first_sentences(text.open(Path(prompts), class_names), per_class)
    curation = curated_sentences(
        text.backbone, manifest, root, class_names, prompts,
        templates_for_missing=templates_for_missing, truncate=truncate,
    )  # fmt: skip
    rank_zero_info(f"Prompts {prompts!r}: {curation}.")
    return first_sentences(text.bank(curation.sentences, class_names), per_class)


def curated_sentences(
    backbone: Backbone,
    manifest: ClassManifest,
    root: Path,
    class_names: Sequence[str],
    prompts: str | None,
    *,
    templates_for_missing: bool = False,
    truncate: bool = False,
) -> Curation:
    """The sentences of a dataset's classes, found, matched and curated for a backbone; arguments as `load_sentences`.

    Raises:
        PromptError: If a class is left without a sentence.
    """
    return curate(
        sentences_of(manifest, root, class_names, prompts, templates_for_missing=templates_for_missing),
        context_length=backbone.context_length,
        token_count=backbone.token_count,
        truncate=truncate,
    )
