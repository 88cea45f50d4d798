"""Single images and single classes of a part, under the sentences of their true class, as an aggregator sees them."""

from collections.abc import Sequence
from textwrap import shorten
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from aape_lightning.batch import ClassificationBatch
from aape_lightning.data import ClassificationDataModule
from aape_lightning.data.bank_rows import rows_by_key
from aape_lightning.modules import AttentionAggregator, prompt_mean
from aape_lightning.protocols.explanations import Choice, Cosines, ExplainedClass, ExplainedImage, Sentence
from aape_lightning.tasks.examples import spread

__all__ = ["Explainer", "some_of"]

_ATTENDED = 4
_MOST = 3  # and as many of the least attended
_PER_CLASS = 50
_LENGTH = 240  # of a sentence in characters
_DIGITS = 5


def some_of(places: Sequence[int], count: int) -> list[int]:
    """At most so many, evenly spread.

    Example:
        >>> some_of(range(10), 2), some_of([3], 2)
        ([2, 7], [3])
    """
    return [places[k] for k in spread(len(places), count)]


class Explainer:
    """Explains images and classes of a part.

    Args:
        aggregator: Attends to the sentences.
        generator: h.
        data: The data, set up for the part.
        batch: The part.

    Raises:
        PromptError: If a class has no sentence.
    """

    def __init__(
        self,
        aggregator: AttentionAggregator,
        generator: Any,  # noqa: ANN401 - any module from x to h(x)
        data: ClassificationDataModule,
        batch: ClassificationBatch,
    ) -> None:
        self.aggregator, self.generator, self.batch = aggregator, generator, batch
        self.names, self.bank = data.class_names, data.sentences()
        self.rows, self.kinds = rows_by_key(self.bank), data.sentence_kinds()

    def image(self, place: int, path: str, predicted: Sequence[int], probabilities: Sequence[float]) -> ExplainedImage:
        """One image.

        Args:
            place: Its position in the part.
            path: Its path in the dataset.
            predicted: The classes to tell, by label; one that is there twice is told once.
            probabilities: Theirs.
        """
        label = int(self.batch["label"][place])
        ranked = self._ranked(label, self._attention(label, [place])[0])
        shown, others = ranked[:_ATTENDED], ranked[_ATTENDED:]
        choices = dict(zip(predicted, probabilities, strict=True))  # the true class once, in its place
        return ExplainedImage(
            image=path,
            label=self.names[label],
            choices=[Choice(name=self.names[k], probability=round(p, _DIGITS)) for k, p in choices.items()],
            attended=shown,
            others=len(others),
            others_share=round(sum(sentence.share for sentence in others), _DIGITS),
        )

    def of_class(self, label: int) -> ExplainedClass:
        """One class by its label, in the mean over its images; of many images, over some that lie evenly spread."""
        places = (self.batch["label"] == label).nonzero()[:, 0].tolist()
        places = some_of(places, _PER_CLASS)
        shares = self._attention(label, places).mean(0)
        ranked = self._ranked(label, shares)
        most = ranked[: min(_MOST, -(-len(ranked) // 2))]
        reached = shares.sort(descending=True).values.cumsum(0)
        return ExplainedClass(
            name=self.names[label],
            images=len(places),
            sentences=len(ranked),
            half=1 + int((reached < 0.5).sum()),
            most=most,
            least=ranked[len(most) :][-_MOST:][::-1],
            cosines=self._cosines(label, places),
        )

    def _attention(self, label: int, places: Sequence[int]) -> Float[Tensor, "b n"]:
        prompts, mask = self._sentences(label, len(places))
        return self.aggregator.attention(prompts, mask, self.batch["image_embedding"][places])

    def _sentences(self, label: int, count: int) -> tuple[Float[Tensor, "b n d"], Bool[Tensor, "b n"]]:
        """A class's sentences for so many images, without padding."""
        rows = self.rows[label]
        prompts = self.bank.embeddings[rows.start : rows.stop].expand(count, -1, -1)
        return prompts, torch.ones(prompts.shape[:2], dtype=torch.bool, device=prompts.device)

    def _ranked(self, label: int, shares: Float[Tensor, " n"]) -> list[Sentence]:
        """A class's sentences with their shares, the largest first."""
        rows, kinds = self.rows[label], self.kinds[label] if self.kinds else None
        order = shares.argsort(descending=True, stable=True).tolist()
        return [
            Sentence(
                text=shorten(self.bank.texts[rows[k]], _LENGTH, placeholder=" …"),
                share=round(float(shares[k]), _DIGITS),
                kind=kinds[k] if kinds else None,
            )
            for k in order
        ]

    def _cosines(self, label: int, places: Sequence[int]) -> Cosines:
        image = self.batch["image_embedding"][places]
        prompts, mask = self._sentences(label, len(places))
        mean, summary, aape = prompt_mean(prompts, mask), self.aggregator(prompts, mask, image), self.generator(image)
        pairs = {
            "image_mean": (image, mean),
            "image_aape": (image, aape),
            "mean_aape": (mean, aape),
            "summary_aape": (summary, aape),
        }
        cosines = {name: F.cosine_similarity(one, other).mean() for name, (one, other) in pairs.items()}
        return Cosines(**{name: round(float(value), _DIGITS) for name, value in cosines.items()})
