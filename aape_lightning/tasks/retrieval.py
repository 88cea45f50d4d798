"""AAPE for image-text retrieval (paper section 3.3): h(x) is the query instead of x, against caption embeddings."""

from typing import Literal, cast

from jaxtyping import Float
from torch import Tensor

from aape_lightning.backbones import BackboneSpec
from aape_lightning.batch import PromptBatch, RetrievalBatch, require
from aape_lightning.modules import Generator, ResidualQuery, build_aggregator, contrastive_loss, distillation_loss
from aape_lightning.tasks.base import AAPETask
from aape_lightning.tasks.ranking import RetrievalEvaluation

__all__ = ["RetrievalTask"]


class RetrievalTask(RetrievalEvaluation, AAPETask):
    r"""Aggregator and generator h, trained by L = lambda L_distill + symmetric InfoNCE between queries and captions.

    The prompts are the image's own captions. `retrieve_with` says what an image is searched with: `aape` is h(x), the
    paper's; `residual` is ours, normalize(x + a h(x)) with a trained scalar a that starts at zero, so that training
    starts at zero-shot CLIP.

    Args:
        retrieve_with: `aape` or `residual`.
        generator_from: A run's `aape.ckpt`, from whose h training starts; from nothing where not given.
        aggregator: `attention`, or the ablation's `mlp`, `mean`, `random`.
        query: What the attention asks with: `image` or `mean` (the literal Eq. 1).
        distillation_weight: lambda; 0 trains without an aggregator. The paper does not state it for retrieval.
        schedule: `staged` (aggregator first) or `joint`.
        aggregator_epochs: Epochs of the first stage; the rest of `trainer.max_epochs` is the second's.
        aggregator_lr: Learning rate of the first stage.
        lr: Learning rate of the second stage, and of a joint run.
        weight_decay: AdamW's, in both stages.
        backbone_spec: The backbone trained on; recorded by the first fit, not for users to set.
    """

    def __init__(
        self,
        *,
        retrieve_with: Literal["aape", "residual"] = "aape",
        generator_from: str | None = None,
        aggregator: Literal["attention", "mlp", "mean", "random"] = "attention",
        query: Literal["image", "mean"] = "image",
        distillation_weight: float = 1.0,
        schedule: Literal["staged", "joint"] = "staged",
        aggregator_epochs: int = 5,
        aggregator_lr: float = 1e-3,
        lr: float = 5e-3,
        weight_decay: float = 0.01,
        backbone_spec: dict[str, str | int | float] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.build_if_known()

    def build_modules(self, spec: BackboneSpec) -> None:
        """Build generator and aggregator at the backbone's width."""
        width = spec["embed_dim"]
        self.generator = Generator(width)
        if self.hparams["retrieve_with"] == "residual":
            self.residual_query = ResidualQuery()
        if self.uses_summaries:
            self.aggregator = build_aggregator(self.hparams["aggregator"], width, query=self.hparams["query"])
        self.logit_scale = spec["logit_scale"]

    @property
    def uses_summaries(self) -> bool:
        """Whether there is a distillation term."""
        return bool(self.hparams["distillation_weight"])

    def forward(self, image_embedding: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """What unit-norm image embeddings are searched with, unit norm."""
        return self.search(image_embedding, self.generator(image_embedding))

    def search(self, image_embedding: Float[Tensor, "b d"], aape: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """The query given AAPE h(x)."""
        if self.hparams["retrieve_with"] == "aape":
            return aape
        return cast(Tensor, self.residual_query(image_embedding, aape))

    def weight(self, term: str) -> float:
        """What a term counts in the loss: lambda for L_distill."""
        return float(self.hparams["distillation_weight"]) if term == "distillation" else 1.0

    def generator_terms(self, batch: PromptBatch, summary: Float[Tensor, "b d"] | None) -> dict[str, Float[Tensor, ""]]:
        """The CLIP loss of queries and captions, and L_distill."""
        captioned = cast(RetrievalBatch, require(batch, "image_embedding", "caption"))
        aape = self.generator(captioned["image_embedding"])
        query = self.search(captioned["image_embedding"], aape)
        terms = {"contrastive": contrastive_loss(query, captioned["caption"], self.logit_scale)}
        return terms if summary is None else terms | {"distillation": distillation_loss(aape, summary)}
