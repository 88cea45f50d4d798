"""What a batch holds: the contract between DataModules and tasks, written down once.

Letters: b images, n sentences of the longest entry, c classes, d embedding width. Every embedding is L2-normalised,
float32, and already on the device.
"""

from typing import Any, NotRequired, TypedDict, TypeVar

from jaxtyping import Bool, Float, Int
from torch import Tensor

from aape_lightning.errors import BatchError

__all__ = [
    "ClassificationBatch",
    "ImageBatch",
    "LanguageBatch",
    "PromptBatch",
    "QuestionBatch",
    "RetrievalBatch",
    "require",
]


class ImageBatch(TypedDict):
    """What a loader of images yields, before the device-side pairing.

    Attributes:
        index: Position of each image in its part of the data.
        image: Transformed images; absent where the embeddings come from a feature store.
    """

    index: Int[Tensor, " b"]
    image: NotRequired[Float[Tensor, "b 3 h w"]]


class PromptBatch(TypedDict):
    """Images paired with the sentences about them: what the aggregator and the generator learn from.

    Attributes:
        index: Position of each image in its part of the data.
        image_embedding: The image tower's embeddings; absent where the task encodes `image` itself.
        prompts: Sentence embeddings of the image's class, padded; in training only, and where an aggregator reads them.
        prompt_mask: True where `prompts` holds a sentence; with `prompts`.
        summary: The trained aggregator's summaries, in the place of `prompts` in the second stage of the staged
            schedule.
    """

    index: Int[Tensor, " b"]
    image_embedding: NotRequired[Float[Tensor, "b d"]]
    prompts: NotRequired[Float[Tensor, "b n d"]]
    prompt_mask: NotRequired[Bool[Tensor, "b n"]]
    summary: NotRequired[Float[Tensor, "b d"]]


class ClassificationBatch(PromptBatch):
    """A `PromptBatch` with labels and the embeddings of the classes to choose from.

    Attributes:
        label: Position of each image's class in `class_embeddings`.
        class_embeddings: The text tower's embeddings of the classes.
        image: Transformed images, for a task that trains through the image tower; where the DataModule's `inputs` is
            `image`, and then in the place of `image_embedding`.
    """

    label: Int[Tensor, " b"]
    class_embeddings: Float[Tensor, "c d"]
    image: NotRequired[Float[Tensor, "b 3 h w"]]


class RetrievalBatch(PromptBatch):
    """A `PromptBatch` whose sentences are the image's own captions.

    Attributes:
        caption: One caption of each image, drawn anew in each epoch; in training only.
    """

    caption: NotRequired[Float[Tensor, "b d"]]


class LanguageBatch(PromptBatch):
    """Images for a language model, each with the text that stands behind it.

    Letters: t image tokens, w their width, k answered examples shown before each row (K-shot).

    Attributes:
        image_tokens: The image tower's grid.
        prompt: What the language model reads behind the image; may be empty.
        target: What it is to say then; in training only.
        shown_tokens: The examples' image tokens; where there are examples.
        shown_embedding: The examples' image embeddings.
        shown_text: The examples' texts, questions with their answers and what stands between examples.
    """

    image_tokens: Float[Tensor, "b t w"]
    prompt: list[str]
    target: NotRequired[list[str]]
    shown_tokens: NotRequired[Float[Tensor, "b k t w"]]
    shown_embedding: NotRequired[Float[Tensor, "b k d"]]
    shown_text: NotRequired[list[list[str]]]


class QuestionBatch(PromptBatch):
    """Images with questions, for a classifier over a vocabulary of answers.

    Attributes:
        question_embedding: The text tower's embedding of each question.
        answer_share: How many of a question's answers are each of the vocabulary's, a fraction; in training only.
    """

    question_embedding: Float[Tensor, "b d"]
    answer_share: NotRequired[Float[Tensor, "b a"]]


BatchT = TypeVar("BatchT")


def require(batch: BatchT, *keys: str) -> BatchT:
    """The batch itself, once it is known to hold the keys.

    Raises:
        BatchError: If the batch is not a mapping or lacks a key, as when a Trainer runs without our DataModule.
    """
    held: Any = batch
    missing = [key for key in keys if not isinstance(held, dict) or key not in held]
    if missing:
        found = sorted(held) if isinstance(held, dict) else type(held).__name__
        raise BatchError(
            f"The batch lacks {', '.join(missing)}; it holds {found}. Batches are made by a DataModule of "
            "aape_lightning.data: pass one as Trainer.fit(task, datamodule=ClassificationDataModule(...))."
        )
    return batch
