"""A trained task that leads a language model: what it writes about images, and answers to questions about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from aape_lightning.data.vqa_texts import QUESTION_FORM, cut_answer
from aape_lightning.errors import CheckpointError, DataError
from aape_lightning.inference.encoding import EncodedImages, Encoder
from aape_lightning.language import Decoding
from aape_lightning.prompts import embed_texts

__all__ = ["Writer"]


@dataclass(frozen=True, eq=False)
class Writer:
    """Writes behind images as the run was recorded to do; what is given instead has the last word.

    Attributes:
        task: A `CaptioningTask`, `VQATask` or `VQAClassifierTask`.
        encoder: The image tower.
        recorded: What the run recorded of its data.
    """

    task: Any
    encoder: Encoder
    recorded: Mapping[str, Any]

    @property
    def reads_grid(self) -> bool:
        """Whether the task reads the image tower's grid; else it reads the embedding alone.

        Raises:
            CheckpointError: If it was trained on image tokens that this backbone does not give.
        """
        if "image_token_width" not in self.task.hparams:
            return False  # a classifier of answers
        width, backbone = self.task.hparams["image_token_width"], self.encoder.backbone
        kind = self.recorded.get("image_tokens", "grid" if width == backbone.image_token_shape[1] else "embedding")
        given = backbone.image_token_shape[1] if kind == "grid" else backbone.embed_dim
        if width != given:
            raise CheckpointError(f"The task reads image tokens of width {width}; its backbone's are {given} wide.")
        return bool(kind == "grid")

    def captions(self, encoded: EncodedImages, prompt: str | None, decoding: Mapping[str, Any] | None) -> list[str]:
        """A caption for each image of a batch.

        Args:
            encoded: The images.
            prompt: What stands between image and caption.
            decoding: Fields of `Decoding` that differ from the run's.

        Raises:
            CheckpointError: If no prompt is given and none recorded.
            RecipeError: If a field is unknown or out of range.
        """
        chosen = self.recorded.get("prompt") if prompt is None else prompt
        if chosen is None:
            raise CheckpointError(
                "The checkpoint does not record what stands between image and caption. Give the prompt of its run "
                "(--prompt 'A picture of')."
            )
        return self._written(encoded.embedding, encoded.tokens, [chosen] * len(encoded.images), decoding)

    def answers(
        self, encoded: EncodedImages, questions: Sequence[Sequence[str]], decoding: Mapping[str, Any] | None
    ) -> list[list[str]]:
        """An answer to each question about each image of a batch.

        Args:
            encoded: The images.
            questions: The questions about each image.
            decoding: Fields of `Decoding` that differ from the run's.

        Raises:
            DataError: If a decoding is given to a task without a language model.
            RecipeError: If a field is unknown or out of range.
        """
        rows = [row for row, asked in enumerate(questions) for _ in asked]
        flat = [question for asked in questions for question in asked]
        answers: list[str] = []
        for start in range(0, len(flat), self.encoder.batch_size):
            part = slice(start, start + self.encoder.batch_size)
            answers += self._answered(encoded, rows[part], flat[part], decoding)
        given = iter(answers)
        return [[next(given) for _ in asked] for asked in questions]

    def _answered(
        self, encoded: EncodedImages, rows: list[int], questions: list[str], decoding: Mapping[str, Any] | None
    ) -> list[str]:
        embedding = encoded.embedding[rows]
        if not hasattr(self.task, "language"):
            if decoding:
                raise DataError("A VQAClassifierTask chooses among known answers: it has no decoding to set.")
            asked = embed_texts(self.encoder.backbone, questions, self.encoder.device).to(embedding.device)
            chosen: list[str] = self.task.answer({"image_embedding": embedding, "question_embedding": asked})
            return chosen
        form = self.recorded.get("question_prompt", QUESTION_FORM)
        tokens = None if encoded.tokens is None else encoded.tokens[rows]
        prompts = [form.replace("{}", question) for question in questions]
        return [cut_answer(text) for text in self._written(embedding, tokens, prompts, decoding)]

    @torch.no_grad()
    def _written(
        self,
        embedding: Float[Tensor, "b d"],
        tokens: Float[Tensor, "b t w"] | None,
        prompts: list[str],
        decoding: Mapping[str, Any] | None,
    ) -> list[str]:
        settings = dict(self.recorded.get("decoding") or {}) | dict(decoding or {})
        batch = {
            "image_embedding": embedding,
            "image_tokens": embedding[:, None] if tokens is None else tokens,
            "prompt": prompts,
        }
        written: list[str] = self.task.write(batch, Decoding.of(settings))
        return written
