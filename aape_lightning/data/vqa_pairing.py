"""How questions about images become batches: texts for a language model, or embeddings for a classifier."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import torch
from jaxtyping import Int
from torch import Tensor

from aape_lightning.batch import ImageBatch, LanguageBatch, QuestionBatch
from aape_lightning.data.images import image_opener
from aape_lightning.data.loaded import LoadedImages
from aape_lightning.data.splits import Part
from aape_lightning.data.text_sources import said_behind
from aape_lightning.data.vqa_parts import LoadedQuestions, QuestionParts
from aape_lightning.data.vqa_texts import common_answer, question_prompt, shown_text

__all__ = ["QuestionPairing"]


class QuestionPairing(QuestionParts):
    """Makes the batches; beside the other hyper-parameters it reads `head`, `learn_from`, `prompt` and `separator`.

    Attributes:
        pool: The training questions that examples are drawn from; where test questions have examples.
        drawn_examples: Positions in it of each test question's examples, as `draw_examples` gives them.
    """

    pool: LoadedQuestions
    drawn_examples: Int[Tensor, "n k"]

    @property
    def describes(self) -> bool:
        """Whether training is on captions and not on questions."""
        return bool(self.hparams["learn_from"] == "captions")

    def pair(self, batch: dict[str, Any], part: Part, loaded: LoadedImages) -> LanguageBatch | QuestionBatch:
        """Add what the head reads of each question and, in training and validation, what it is to say."""
        assert isinstance(loaded, LoadedQuestions)
        if self.hparams["head"] == "discriminative":
            return self._pair_embeddings(batch, loaded)
        if self.describes and part != "test":
            return self._pair_captions(batch, part, loaded)
        items = [loaded.items[position] for position in batch["index"].tolist()]
        batch["prompt"] = [question_prompt(item) for item in items]
        if part != "test":
            batch["target"] = [said_behind(question_prompt(item), common_answer(item)) for item in items]
        elif loaded.shots:
            batch |= self._examples(batch["index"], loaded.shots)
        return cast(LanguageBatch, batch)

    def _pair_embeddings(self, batch: dict[str, Any], loaded: LoadedQuestions) -> QuestionBatch:
        assert loaded.texts is not None
        assert loaded.asked is not None
        batch["question_embedding"] = loaded.texts[loaded.asked[batch["index"]]]
        if loaded.shares is not None:
            batch["answer_share"] = loaded.shares.gather(batch["index"])
        return cast(QuestionBatch, batch)

    def _pair_captions(self, batch: dict[str, Any], part: Part, loaded: LoadedQuestions) -> LanguageBatch:
        prompt, positions = self.hparams["prompt"], batch["index"].tolist()
        if part == "train":
            assert self.bank is not None
            captions = [self.bank.texts[row] for row in self.drawn_captions()[batch["index"]].tolist()]
        else:
            captions = [loaded.items[position].captions[0] for position in positions]
        batch["prompt"] = [prompt] * len(positions)
        batch["target"] = [said_behind(prompt, caption) for caption in captions]
        return cast(LanguageBatch, batch)

    def _examples(self, index: Int[Tensor, " b"], shots: int) -> dict[str, Any]:
        """The examples shown before some test questions."""
        drawn = self.drawn_examples[index.cpu(), :shots]
        shown = self._embedded(self._opened(drawn.flatten()), self.pool)
        separator = self.hparams["separator"]
        return {
            "shown_tokens": shown["image_tokens"].unflatten(0, drawn.shape),
            "shown_embedding": shown["image_embedding"].unflatten(0, drawn.shape),
            "shown_text": [[shown_text(self.pool.items[k], separator) for k in row] for row in drawn.tolist()],
        }

    def _opened(self, positions: Int[Tensor, " p"]) -> ImageBatch:
        """A batch of examples; without the feature store their images are opened here, by as many threads as cores."""
        batch: ImageBatch = {"index": positions.to(self.device)}
        if self.pool.features is None:
            opener = image_opener(self.manifest, self.root)
            paths = [self.pool.path(position) for position in positions.tolist()]
            with ThreadPoolExecutor(max(1, self.workers)) as threads:
                images = list(threads.map(lambda path: self.backbone.transform(opener(path)), paths))
            batch["image"] = torch.stack(images).to(self.device)
        return batch
