"""How every retriever is evaluated: the part's images and captions against each other, both ways, each counted once."""

from typing import Any, TypedDict, cast

from jaxtyping import Float, Int
from lightning.pytorch import LightningModule
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from aape_lightning.batch import RetrievalBatch, require
from aape_lightning.errors import BatchError
from aape_lightning.metrics import retrieval_scores
from aape_lightning.prompts import PromptBank
from aape_lightning.tasks.examples import spread

__all__ = ["Queries", "RetrievalEvaluation"]

_SHOWN_IMAGES, _SHOWN_TEXTS, _SHOWN_RESULTS = 8, 4, 5


class Queries(TypedDict):
    """What `predict_step` returns.

    Attributes:
        index: Position of each image in the test part.
        query: What the image is searched with, and found by.
    """

    index: Int[Tensor, " b"]
    query: Float[Tensor, "b d"]


class QueryStore(Metric):
    """Keeps query embeddings by position, over all processes."""

    full_state_update = False
    index: list[Tensor]
    query: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("index", [], dist_reduce_fx="cat")
        self.add_state("query", [], dist_reduce_fx="cat")

    def update(self, index: Int[Tensor, " b"], query: Float[Tensor, "b d"]) -> None:
        """Add one batch."""
        self.index.append(index)
        self.query.append(query)

    def compute(self) -> tuple[Int[Tensor, " n"], Float[Tensor, "n d"]]:
        """All positions in order, and their queries."""
        index, order = dim_zero_cat(self.index).sort()
        return index, dim_zero_cat(self.query)[order]


class RetrievalEvaluation(LightningModule):
    """Validation, test and prediction for a module whose `forward` maps image embeddings to queries.

    Logs `val/` and `test/`, `image_to_text/` and `text_to_image/`: `recall@1`, `recall@5`, `recall@10` and
    `median_rank`. An image's captions are all its positives: one of them in the first K is a hit.
    """

    def on_validation_epoch_start(self) -> None:
        """Start to collect."""
        self._queries = QueryStore().to(self.device)

    def on_test_epoch_start(self) -> None:
        """Start to collect."""
        self._queries = QueryStore().to(self.device)

    def validation_step(self, batch: RetrievalBatch, batch_idx: int) -> None:
        """Collect one batch's queries."""
        self._collect(batch)

    def test_step(self, batch: RetrievalBatch, batch_idx: int) -> None:
        """Collect one batch's queries."""
        self._collect(batch)

    def _collect(self, batch: RetrievalBatch) -> None:
        require(batch, "image_embedding")
        self._queries.update(batch["index"], self(batch["image_embedding"]).float())

    def on_validation_epoch_end(self) -> None:
        """Log."""
        self.log_dict({f"val/{name}": value for name, value in self._scores().items()}, prog_bar=False)

    def on_test_epoch_end(self) -> None:
        """Log, and keep some results to show while queries and captions are on one device."""
        self.log_dict({f"test/{name}": value for name, value in self._scores().items()})
        self._examples = self._shown()

    def _scores(self) -> dict[str, float]:
        index, queries = self._queries.compute()
        captions = self._captions(index)
        return retrieval_scores(queries, captions.embeddings, captions.owner)

    def _captions(self, index: Int[Tensor, " n"]) -> PromptBank:
        """The captions of the images that were seen: of all, but for a run that was cut short by `limit_test_batches`.

        Raises:
            BatchError: If there is no DataModule.
        """
        captions = getattr(getattr(self.trainer, "datamodule", None), "captions", None)
        if captions is None:
            raise BatchError(
                f"{type(self).__name__} takes the captions from its DataModule, and there is none. Pass one: "
                "Trainer.test(task, datamodule=RetrievalDataModule(...))."
            )
        bank = cast(PromptBank, captions())
        if len(index) == len(bank.keys):
            return bank
        return bank.select([bank.keys[position] for position in index.tolist()]).to(self.device)

    def predict_step(self, batch: RetrievalBatch, batch_idx: int) -> Queries:
        """The queries of one batch."""
        require(batch, "image_embedding")
        return {"index": batch["index"], "query": self(batch["image_embedding"]).float()}

    def examples(self) -> list[dict[str, Any]]:
        """Some test images with the captions that they find, and some captions with the images, after a test."""
        return self._examples

    def _shown(self) -> list[dict[str, Any]]:
        index, queries = self._queries.compute()
        captions = self._captions(index)
        owner = captions.owner
        images = [_captions_of(k, queries, captions, owner) for k in spread(len(index), _SHOWN_IMAGES)]
        texts = [_images_of(k, queries, captions, owner) for k in spread(len(captions.texts), _SHOWN_TEXTS)]
        return [*images, *texts]


def _captions_of(
    k: int, queries: Float[Tensor, "n d"], captions: PromptBank, owner: Int[Tensor, " m"]
) -> dict[str, Any]:
    scores, found = (captions.embeddings @ queries[k]).topk(min(_SHOWN_RESULTS, len(owner)))
    retrieved = [
        {"text": captions.texts[row], "score": float(score), "correct": bool(owner[row] == k)}
        for row, score in zip(found.tolist(), scores, strict=True)
    ]
    path = captions.keys[k]
    return {
        "image": path,
        "degradation": "none",
        "query": None,
        "truth": captions.sentences(path),
        "retrieved": retrieved,
    }


def _images_of(
    row: int, queries: Float[Tensor, "n d"], captions: PromptBank, owner: Int[Tensor, " m"]
) -> dict[str, Any]:
    scores, found = (queries @ captions.embeddings[row]).topk(min(_SHOWN_RESULTS, len(queries)))
    own = int(owner[row])
    retrieved = [
        {"image": captions.keys[k], "score": float(score), "correct": k == own}
        for k, score in zip(found.tolist(), scores, strict=True)
    ]
    path = captions.keys[own]
    return {"image": path, "degradation": "none", "query": captions.texts[row], "truth": [path], "retrieved": retrieved}
