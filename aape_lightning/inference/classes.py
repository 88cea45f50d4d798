"""The classes to choose from: those of the run by their recorded embeddings, any others by templates or sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from aape_lightning.backbones import Backbone
from aape_lightning.errors import CheckpointError, DataError, PromptError, listed
from aape_lightning.prompts import PromptBank, curate, fill_templates

__all__ = ["DEFAULT_TEMPLATES", "CalledClasses", "ClassCaller", "ClassTextWarning"]

DEFAULT_TEMPLATES = ("a photo of a {}.",)
_BY_SENTENCES = "prompts"


class ClassTextWarning(UserWarning):
    """Classes are called by something else than in training."""


@dataclass(frozen=True, eq=False)
class CalledClasses:
    """Classes with what they are called by.

    Attributes:
        names: Their names.
        embeddings: Their unit-norm class embeddings, on the device.
        note: What a user should know of how they are called; None where all is as in training.
    """

    names: list[str]
    embeddings: Float[Tensor, "c d"]
    note: str | None = None


@dataclass(frozen=True, eq=False)
class ClassCaller:
    """Gives classes their embeddings.

    Attributes:
        backbone: The text tower.
        device: Where it works.
        names: The classes trained on; empty where the run did not record them.
        embeddings: Their recorded embeddings, or None.
        class_text: What they were called by in training: a template, a set of templates, or `prompts` for sentences.
        templates: What names are called by that come without sentences.
    """

    backbone: Backbone
    device: torch.device
    names: Sequence[str] = ()
    embeddings: Float[Tensor, "k d"] | None = None
    class_text: str | None = None
    templates: Sequence[str] = DEFAULT_TEMPLATES

    def call(
        self,
        classes: str | Sequence[str] | None = None,
        templates: str | Sequence[str] | None = None,
        sentences: Mapping[str, Sequence[str]] | None = None,
    ) -> CalledClasses:
        """The classes to choose from.

        Args:
            classes: Their names, or one; where None, the classes of `sentences`, else those trained on.
            templates: What they are called by, one or several; where None as in training.
            sentences: Sentences about classes, whose mean they are called by instead.

        Raises:
            CheckpointError: If no names are given and the run recorded none.
            DataError: If a name is empty or given twice, or both templates and sentences are given.
            PromptError: If a template has no `{}`, or a class has no sentence.
        """
        if templates is not None and sentences is not None:
            raise DataError("Classes are called by templates or by sentences, and both are given.")
        names = self._chosen(classes, sentences)
        if sentences is not None:
            return self._by_sentences(names, sentences)
        if templates is not None:
            return CalledClasses(names, self._embed(fill_templates(names, _several(templates)), names))
        recorded = self._recorded(names)
        if recorded is not None:
            return CalledClasses(names, recorded)
        return CalledClasses(names, self._embed(fill_templates(names, self.templates), names), self._note(names))

    def _chosen(self, classes: str | Sequence[str] | None, sentences: Mapping[str, Sequence[str]] | None) -> list[str]:
        if classes is None:
            names = list(self.names if sentences is None else sentences)
            if not names:
                raise CheckpointError(
                    "No class names are given, and none are recorded: name the classes (--classes NAME NAME ...)."
                )
            return names
        names = [name.strip() for name in _several(classes)]
        if not names or not all(names):
            raise DataError("A class list holds one name or more, and none of them is empty (--classes).")
        if names != list(self.names) and (twice := [name for name in names if names.count(name) > 1]):
            raise DataError(f"The class {twice[0]!r} is named twice (--classes).")
        return names

    def _recorded(self, names: list[str]) -> Float[Tensor, "c d"] | None:
        """The recorded embeddings, where there are some for all of these classes."""
        if self.embeddings is None or not set(names) <= set(self.names):
            return None
        place = {name: k for k, name in reversed(list(enumerate(self.names)))}
        rows = list(range(len(names))) if names == list(self.names) else [place[name] for name in names]
        return self.embeddings[rows].to(self.device)

    def _by_sentences(self, names: list[str], sentences: Mapping[str, Sequence[str]]) -> CalledClasses:
        missing = [name for name in names if name not in sentences]
        recorded = self._recorded(missing) if missing and self.class_text == _BY_SENTENCES else None
        if missing and recorded is None:
            raise PromptError(f"There are no sentences for {listed(missing)}; given are those for {listed(sentences)}.")
        given = {name: _several(sentences[name]) for name in names if name in sentences}
        embedded = {}
        if given:
            embedded = dict(zip(given, self._embed(self._curated(given), list(given)), strict=True))
        if recorded is not None:
            embedded |= dict(zip(missing, recorded, strict=True))
        return CalledClasses(names, torch.stack([embedded[name] for name in names]))

    def _curated(self, sentences: dict[str, list[str]]) -> dict[str, list[str]]:
        """As in training, where overlong sentences are dropped; a class with no other keeps them, cut short."""
        count, context = self.backbone.token_count, self.backbone.context_length
        fitting = {
            name: [text for text in texts if count(text) <= context] or texts for name, texts in sentences.items()
        }
        return curate(fitting, context_length=context, token_count=count, truncate=True).sentences

    def _embed(self, texts: Mapping[str, Sequence[str]], names: Sequence[str]) -> Float[Tensor, "c d"]:
        return PromptBank.build(self.backbone, texts, self.device).select(names).means().to(self.device)

    def _note(self, names: list[str]) -> str | None:
        shown = listed(self.templates, limit=2)
        if self.class_text == _BY_SENTENCES:
            new = [name for name in names if name not in self.names]
            return (
                f"The run called its classes by sentences, and there are none for {listed(new)}: all classes are "
                f"called by the template {shown} instead. Give sentences for the new ones to call each by its own."
            )
        if self.class_text is None:
            return f"The checkpoint does not record what its classes were called by; {shown} is used."
        return None


def _several(given: str | Sequence[str]) -> list[str]:
    """A text is one text, and no sequence of its letters."""
    return [given] if isinstance(given, str) else list(given)
