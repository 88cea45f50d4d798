"""A run as an object that classifies, embeds, retrieves, captions and answers.

Only a backbone, the trained weights and what the run recorded of its data are needed: no Trainer, no DataModule, no
aggregator, and no language model but where text is written.
"""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule
from torch import Tensor

from aape_lightning.backbones import Backbone
from aape_lightning.errors import DataError, ImageError
from aape_lightning.inference.abilities import abilities_of, refuse_without, refuse_without_generator
from aape_lightning.inference.classes import DEFAULT_TEMPLATES, CalledClasses, ClassCaller, ClassTextWarning
from aape_lightning.inference.classification import Classification
from aape_lightning.inference.encoding import BATCH_SIZE, Encoder
from aape_lightning.inference.images import AnyImage, AnyImages, NamedImage, named_images
from aape_lightning.inference.language import Writer
from aape_lightning.inference.retrieved import Retrieved, retrieved
from aape_lightning.inference.saved import SavedTask
from aape_lightning.inference.sharing import Shareable
from aape_lightning.inference.texts import Answer, Answers, Caption, Captions
from aape_lightning.prompts import embed_texts

__all__ = ["AdaptedCLIP", "Kind", "Skip"]

Kind = Literal["aape", "image", "query"]
Skip = Callable[[str, ImageError], None]


class AdaptedCLIP(Shareable):
    """A trained task and its backbone, ready for images.

    Images are an open PIL image, a file, a folder (all images in it and below), a pattern such as `photos/*.jpg`, or a
    sequence of these. They are decoded and transformed as in training and evaluation: as the file stores them, so that
    an orientation in EXIF is not applied.

    Where a method takes `skip`, it is told the name of each image that cannot be decoded and why, and the image is left
    out; without it such an image is an `ImageError`.

    Args:
        task: The task, in evaluation mode.
        backbone: The frozen towers that it was trained on.
        device: Where the work is done.
        saved: The task's file; None for zero-shot CLIP.
        source: Where it is from, for messages.
        batch_size: Images a batch.

    Example:
        >>> import aape_lightning
        >>> model = aape_lightning.load(backbone="shapes-tiny")
        >>> from PIL import Image
        >>> model.classify(Image.new("RGB", (64, 64), "red"), ["red square", "blue circle"]).names
        ['red square']
    """

    def __init__(
        self,
        task: LightningModule,
        backbone: Backbone,
        device: torch.device,
        *,
        saved: SavedTask | None = None,
        source: str,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        if batch_size < 1:
            raise DataError(f"batch_size is {batch_size}; it must be 1 or more (--batch-size).")
        self.task = task.to(device)
        self.backbone = backbone
        self.device = device
        self.saved = saved
        self.source = source
        self.batch_size = batch_size

    # ---- what it is ----------------------------------------------------------------------------------------------

    @property
    def abilities(self) -> list[str]:
        """The methods that this run can be asked for."""
        return abilities_of(self.task)

    @property
    def class_names(self) -> list[str]:
        """The classes trained on; empty where there are none, or the run did not record them."""
        recorded = self._recorded.get("class_names") or self.task.hparams.get("class_names") or []
        return list(recorded)

    @property
    def _recorded(self) -> dict[str, Any]:
        return {} if self.saved is None else self.saved.inference

    @property
    def _encoder(self) -> Encoder:
        return Encoder(self.backbone, self.device, self.batch_size)

    def __repr__(self) -> str:
        classes = f", {len(self.class_names)} classes" if self.class_names else ""
        name = type(self.task).__name__
        return f"AdaptedCLIP({self.source!r}: {name} on {self.backbone.name}{classes}; {', '.join(self.abilities)})"

    # ---- classifying ---------------------------------------------------------------------------------------------

    def classify(
        self,
        images: AnyImages,
        classes: str | Sequence[str] | None = None,
        *,
        templates: str | Sequence[str] | None = None,
        sentences: Mapping[str, Sequence[str]] | None = None,
        top: int = 5,
        skip: Skip | None = None,
    ) -> Classification:
        """Class probabilities of images, among the classes trained on or any others.

        Args:
            images: The images.
            classes: Names to choose from, or one, new ones included; those trained on where None.
            templates: What they are called by, such as `a photo of a {}.`; where None as in training.
            sentences: Sentences by class, whose mean it is called by instead; their classes where `classes` is None.
            top: How many classes an image the result shows.
            skip: See the class.

        Raises:
            CheckpointError: If this run does not classify, or no classes are given and none recorded.
            DataError: If a name is empty or stands twice, a class is asked of a method that is bound to others, or
                there are no images.
            ImageError: If an image is missing or cannot be decoded.
            PromptError: If a template has no `{}`, or a class has no sentence.

        Warns:
            ClassTextWarning: If classes cannot be called as in training.
        """
        refuse_without(self.task, "classify", self.source)
        if top < 1:
            raise DataError(f"The number of classes to show is {top}; it must be 1 or more (--top).")
        named = named_images(images)
        chosen = self.call_classes(classes, templates, sentences)
        if chosen.note:
            warnings.warn(chosen.note, ClassTextWarning, stacklevel=2)
        kept: list[str] = []
        rows = [torch.empty(0, len(chosen.names))]
        for encoded in self._encoder.encode(named, skip=_told(skip)):
            kept += [image.name for image in encoded.images]
            rows.append(self._probabilities(encoded.embedding, chosen))
        return Classification(kept, chosen.names, torch.cat(rows), top, chosen.note)

    def call_classes(
        self,
        classes: str | Sequence[str] | None = None,
        templates: str | Sequence[str] | None = None,
        sentences: Mapping[str, Sequence[str]] | None = None,
    ) -> CalledClasses:
        """The embeddings of a class list, as `classify` uses them; arguments and errors as there."""
        tensors = {} if self.saved is None else self.saved.tensors
        recorded = self._recorded
        caller = ClassCaller(
            self.backbone,
            self.device,
            self.class_names,
            tensors.get("class_embeddings"),
            DEFAULT_TEMPLATES[0] if self.saved is None else recorded.get("class_text"),
            recorded.get("templates") or DEFAULT_TEMPLATES,
        )
        return caller.call(classes, templates, sentences)

    @torch.no_grad()
    def _probabilities(self, embedding: Float[Tensor, "b d"], chosen: CalledClasses) -> Float[Tensor, "b c"]:
        task: Any = self.task
        if hasattr(task, "match"):  # methods that are bound to the classes trained on find them by name
            task.match(chosen.names)
        return torch.softmax(task(embedding, chosen.embeddings).float(), dim=-1).cpu()

    # ---- embeddings ----------------------------------------------------------------------------------------------

    def embed(self, images: AnyImages, kind: Kind = "aape", *, skip: Skip | None = None) -> Float[Tensor, "n d"]:
        """Unit-norm embeddings of images, on the CPU.

        Args:
            images: The images.
            kind: `aape` for h(x); `image` for the image embedding x; `query` for what a retrieval run searches with,
                which is h(x), or its residual form.
            skip: See the class.

        Raises:
            CheckpointError: If this run has no generator, or is asked for queries and does not retrieve.
            DataError: If the kind is unknown, or there are no images.
            ImageError: If an image is missing or cannot be decoded.
        """
        if kind not in ("aape", "image", "query"):
            raise DataError(f"kind is {kind!r}; it must be 'aape', 'image' or 'query' (--kind).")
        if kind == "query":
            refuse_without(self.task, "retrieve", self.source)
        if kind == "aape":
            refuse_without_generator(self.task, self.source)
        return self._rows(named_images(images), kind, skip)

    def _rows(self, images: Sequence[NamedImage], kind: Kind, skip: Skip | None = None) -> Float[Tensor, "n d"]:
        encoded = self._encoder.encode(images, skip=_told(skip))
        rows = [self._embedding(batch.embedding, kind).float().cpu() for batch in encoded]
        return torch.cat(rows) if rows else torch.empty(0, self.backbone.embed_dim)

    @torch.no_grad()
    def _embedding(self, image_embedding: Float[Tensor, "b d"], kind: Kind) -> Float[Tensor, "b d"]:
        task: Any = self.task
        if kind == "image" or (kind == "query" and self.saved is None):
            return image_embedding
        return cast(Tensor, task.generator(image_embedding) if kind == "aape" else task(image_embedding))

    def embed_texts(self, texts: str | Sequence[str]) -> Float[Tensor, "m d"]:
        """Unit-norm embeddings of texts by the backbone's text tower, on the CPU; what is beyond its context is cut."""
        return embed_texts(self.backbone, [texts] if isinstance(texts, str) else list(texts), self.device)

    def retrieve(
        self,
        query: AnyImage,
        images: AnyImages | None = None,
        texts: Sequence[str] | None = None,
        *,
        top: int = 5,
    ) -> Retrieved:
        """What is nearest to a query among images, or among texts.

        Args:
            query: An image, or a text: any string that names no file.
            images: The images to search among.
            texts: The texts to search among, by an image alone.
            top: How many are found; all where there are fewer.

        Raises:
            CheckpointError: If this run does not retrieve.
            DataError: If there is not one of `images` and `texts`, a text is to find texts, or `top` is below 1.
            ImageError: If an image is missing or cannot be decoded.
        """
        refuse_without(self.task, "retrieve", self.source)
        by_text = isinstance(query, str) and not os.path.isfile(query)
        if (images is None) == (texts is None):
            raise DataError("A search is among images or among texts: give one of the two.")
        if by_text and texts is not None:
            raise DataError(f"The text {query!r} finds images; texts are found by an image.")
        if by_text:
            name, embedding = str(query), self.embed_texts([str(query)])[0]
        else:
            asked = named_images(query)[0]
            name, embedding = asked.name, self._rows([asked], "query")[0]
        if texts is not None:
            return retrieved(name, embedding, self.embed_texts(texts), list(texts), top)
        among = named_images(cast(AnyImages, images))
        return retrieved(name, embedding, self._rows(among, "query"), [image.name for image in among], top)

    # ---- writing -------------------------------------------------------------------------------------------------

    def caption(
        self,
        images: AnyImages,
        *,
        prompt: str | None = None,
        decoding: Mapping[str, Any] | None = None,
        skip: Skip | None = None,
    ) -> Captions:
        """Captions of images, by the run's language model.

        Args:
            images: The images.
            prompt: What stands between image and caption; as in training where None.
            decoding: Fields of `Decoding` to write by, such as `{"method": "beam"}`; the others are the run's.
            skip: See the class.

        Raises:
            CheckpointError: If this run does not write captions.
            DataError: If there are no images.
            ImageError: If an image is missing or cannot be decoded.
            RecipeError: If a field of the decoding is unknown or out of range.
        """
        refuse_without(self.task, "caption", self.source)
        writer = self._writer
        captions: list[Caption] = []
        encoded = self._encoder.encode(named_images(images), with_grid=writer.reads_grid, skip=_told(skip))
        for batch in encoded:
            written = writer.captions(batch, prompt, decoding)
            captions += [Caption(image.name, text) for image, text in zip(batch.images, written, strict=True)]
        return Captions(captions)

    def answer(
        self,
        images: AnyImages,
        questions: str | Sequence[str],
        *,
        pairs: bool = False,
        decoding: Mapping[str, Any] | None = None,
        skip: Skip | None = None,
    ) -> Answers:
        """Answers to questions about images.

        Args:
            images: The images.
            questions: One question or several, each of which is asked about each image.
            pairs: Ask the k-th question about the k-th image instead; there must be as many.
            decoding: Fields of `Decoding` to write by; the others are the run's.
            skip: See the class.

        Raises:
            CheckpointError: If this run does not answer questions.
            DataError: If there are no images, a question is empty, or pairs are asked for and there are not as many
                questions as images.
            ImageError: If an image is missing or cannot be decoded.
            RecipeError: If a field of the decoding is unknown or out of range.
        """
        refuse_without(self.task, "answer", self.source)
        named, writer = named_images(images), self._writer
        asked = _asked(named, [questions] if isinstance(questions, str) else list(questions), pairs=pairs)
        by_image = {id(image): own for image, own in zip(named, asked, strict=True)}
        answers: list[Answer] = []
        for batch in self._encoder.encode(named, with_grid=writer.reads_grid, skip=_told(skip)):
            own = [by_image[id(image)] for image in batch.images]
            for image, said, given in zip(batch.images, own, writer.answers(batch, own, decoding), strict=True):
                answers += [Answer(image.name, *pair) for pair in zip(said, given, strict=True)]
        return Answers(answers)

    @property
    def _writer(self) -> Writer:
        return Writer(self.task, self._encoder, self._recorded)


def _told(skip: Skip | None) -> Callable[[NamedImage, ImageError], None] | None:
    return None if skip is None else lambda image, error: skip(image.name, error)


def _asked(images: Sequence[NamedImage], questions: list[str], *, pairs: bool) -> list[list[str]]:
    """The questions about each image."""
    if not questions or not all(question.strip() for question in questions):
        raise DataError("One question or more is asked, and none of them is empty (--question).")
    if not pairs:
        return [questions] * len(images)
    if len(questions) != len(images):
        raise DataError(f"There are {len(questions)} questions for {len(images)} images, and pairs are asked for.")
    return [[question] for question in questions]
