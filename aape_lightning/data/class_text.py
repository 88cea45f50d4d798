"""Texts of classes: their names in templates, and the sentences about them, embedded and cached."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from aape_lightning.backbones import Backbone
from aape_lightning.data.manifests import Manifest
from aape_lightning.data.sentences import sentences_of
from aape_lightning.data.shapes import sentence_truth, shapes_sentences
from aape_lightning.errors import PromptError, listed
from aape_lightning.prompts import PromptBank, curate, fill_templates, open_or_build_bank

__all__ = ["ClassText", "load_sentences", "sentence_kinds"]


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

    def bank(self, sentences: Mapping[str, Sequence[str]]) -> PromptBank:
        """The bank of these sentences, on the device."""
        return open_or_build_bank(self.backbone, sentences, self.folder, self.device).to(self.device)

    def open(self, path: Path, class_names: Sequence[str]) -> PromptBank:
        """A bank file's part for these classes, on the device.

        Raises:
            PromptError: If the file lacks a class.
            BackboneMismatchError: If another backbone made it.
        """
        bank = PromptBank.open(path, self.backbone)
        if missing := [name for name in class_names if name not in bank.keys]:
            raise PromptError(f"The prompt bank {str(path)!r} has no sentences for {listed(missing, limit=20)}.")
        return bank.select(class_names).to(self.device)

    def embed_classes(
        self, class_names: Sequence[str], templates: Sequence[str], class_text: str
    ) -> Float[Tensor, "c d"]:
        """w_c: each class's embedding by a template, or the normalised mean over the manifest's templates.

        Raises:
            PromptError: If `class_text` is neither a template nor `manifest`.
        """
        if class_text != "manifest" and "{}" not in class_text:
            raise PromptError(
                f"class_text is {class_text!r}; it must be a template with {{}} such as 'a photo of a {{}}.', "
                "'manifest' or 'prompts'."
            )
        chosen = templates if class_text == "manifest" else [class_text]
        return self.bank(fill_templates(class_names, chosen)).means()


def load_sentences(
    text: ClassText, manifest: Manifest, root: Path, class_names: Sequence[str], prompts: str, truncate: bool
) -> PromptBank:
    """The prompt bank of a dataset's classes: found, matched, curated, embedded; with a line on what was dropped.

    Raises:
        PromptError: If a class is left without a sentence.
        BackboneMismatchError: If `prompts` is a bank of another backbone.
    """
    if prompts.endswith(".safetensors"):
        return text.open(Path(prompts), class_names)
    curation = curate(
        sentences_of(manifest, root, class_names, prompts),
        context_length=text.backbone.context_length,
        token_count=text.backbone.token_count,
        truncate=truncate,
    )
    rank_zero_info(f"Prompts {prompts!r}: {curation}.")
    return text.bank(curation.sentences)


def sentence_kinds(manifest: Manifest, bank: PromptBank) -> list[list[str]]:
    """The kind of each sentence of a bank, by class, where the dataset knows it; empty elsewhere.

    The shapes world knows which of its own sentences are faithful, redundant, irrelevant or wrong.
    """
    if manifest.split.format != "shapes":
        return []
    kinds = {
        (name, text): kind
        for name, texts in shapes_sentences().items()
        for text, kind in zip(texts, sentence_truth()[name], strict=True)
    }
    found = [[kinds.get((name, text)) for text in bank.sentences(name)] for name in bank.keys]
    return [[kind for kind in row if kind] for row in found] if all(map(all, found)) else []
