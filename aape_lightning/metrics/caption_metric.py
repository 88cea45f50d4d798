"""Caption scores as a torchmetrics metric: texts by position, gathered from all processes when an epoch ends."""

from collections.abc import Mapping, Sequence

from jaxtyping import Int
from torch import Tensor
from torchmetrics import Metric

from aape_lightning.metrics.captions import caption_scores
from aape_lightning.metrics.tokenisers import Tokenizer
from aape_lightning.metrics.written import WrittenTexts

__all__ = ["CaptionScores"]


class CaptionScores(Metric):
    """The scores of `caption_scores`, over whatever was added in all processes, each image counted once.

    Args:
        references: The captions of each image, by its position.
        tokenizer: `ptb` or `simple`.
        meteor: Add METEOR, in Java.

    Example:
        >>> metric = CaptionScores({0: ["a dog"], 1: ["a cat"]}, tokenizer="simple")
        >>> metric.update(torch.tensor([0, 1]), ["a dog", "one cat"])
        >>> sorted(metric.compute())[0]
        'bleu_1(simple)'
    """

    def __init__(
        self, references: Mapping[int, Sequence[str]], *, tokenizer: Tokenizer = "ptb", meteor: bool = False
    ) -> None:
        super().__init__(sync_on_compute=False)  # states are tensors; these are texts, and gathered below
        self.references = references
        self.tokenizer = tokenizer
        self.meteor = meteor
        self._captions = WrittenTexts()

    def update(self, index: Int[Tensor, " b"], captions: Sequence[str]) -> None:
        """Add one batch; of an image that comes twice the later caption counts.

        Args:
            index: Position of each image.
            captions: A caption for each image.
        """
        self._captions.update(index, captions)

    def forward(self, index: Int[Tensor, " b"], captions: Sequence[str]) -> None:
        """Add one batch, like `update`: a batch has no scores, because CIDEr-D weighs words by the whole corpus."""
        self.update(index, captions)

    def compute(self) -> dict[str, float]:
        """The scores over all processes.

        Raises:
            MetricError: If there is no caption, or an image has no reference.
        """
        captions = self._captions.compute()
        references = {position: self.references.get(position, ()) for position in captions}
        return caption_scores(captions, references, tokenizer=self.tokenizer, meteor=self.meteor)

    def reset(self) -> None:
        """Forget all captions."""
        super().reset()
        self._captions = WrittenTexts()
