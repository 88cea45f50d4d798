"""AAPE for classification (paper section 3.3, Eq. 3 and 4)."""

from typing import Literal, cast

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from aape_lightning.backbones import BackboneSpec
from aape_lightning.batch import ClassificationBatch, PromptBatch, require
from aape_lightning.modules import Generator, build_aggregator, build_projection, distillation_loss
from aape_lightning.tasks.base import AAPETask
from aape_lightning.tasks.evaluation import ClassifierEvaluation

__all__ = ["ClassificationTask"]


class ClassificationTask(ClassifierEvaluation, AAPETask):
    r"""Aggregator, generator h and projection g, trained by L = lambda L_distill + cross-entropy (Eq. 4).

    .. math:: p(y = c \mid x) = \mathrm{softmax}_c(\cos(x, w_c(x)) / \tau), \quad w_c(x) = g([w_c; h(x)])

    No trained tensor depends on the number of classes: one checkpoint serves base, new, and any other class list.

    Args:
        projection: How h(x) changes the class embeddings: `bottleneck` (the literal method), `residual` (ours; starts
            at zero-shot CLIP), `full` (one full layer) or `none` (h(x) itself is matched to the class embeddings).
        aggregator: `attention`, or the ablation's `mlp`, `mean`, `random`.
        query: What the attention asks with: `image` or `mean` (the literal Eq. 1).
        distillation_weight: lambda; the paper's is 5, and 0 trains without an aggregator.
        schedule: `staged` (aggregator first) or `joint`.
        aggregator_epochs: Epochs of the first stage; the rest of `trainer.max_epochs` is the second's.
        aggregator_lr: Learning rate of the first stage.
        lr: Learning rate of the second stage, and of a joint run; more of it gains base classes and loses new ones.
        optimizer: `adamw`, its learning rate falling as a cosine step by step; or `sgd`, the CoOp family's SGD with
            momentum and its warm-up and cosine epoch by epoch (`coop_learning_rate`), for the second stage and a joint
            run.
            The aggregator's stage has AdamW either way.
        weight_decay: The optimizer's, in both stages.
        backbone_spec: The backbone trained on; recorded by the first fit, not for users to set.
    """

    def __init__(
        self,
        *,
        projection: Literal["bottleneck", "residual", "full", "none"] = "residual",
        aggregator: Literal["attention", "mlp", "mean", "random"] = "attention",
        query: Literal["image", "mean"] = "image",
        distillation_weight: float = 5.0,
        schedule: Literal["staged", "joint"] = "staged",
        aggregator_epochs: int = 20,
        aggregator_lr: float = 1e-3,
        lr: float = 1e-4,
        optimizer: Literal["adamw", "sgd"] = "adamw",
        weight_decay: float = 0.01,
        backbone_spec: dict[str, str | int | float] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.build_if_known()

    def build_modules(self, spec: BackboneSpec) -> None:
        """Build generator, projection and aggregator at the backbone's width.

        The aggregator comes last, so that with one seed the others start alike whatever it is, and without one.
        """
        width = spec["embed_dim"]
        self.generator = Generator(width)
        self.projection = build_projection(self.hparams["projection"], width)
        if self.uses_summaries:
            self.aggregator = build_aggregator(self.hparams["aggregator"], width, query=self.hparams["query"])
        self.logit_scale = spec["logit_scale"]

    @property
    def uses_summaries(self) -> bool:
        """Whether there is a distillation term."""
        return bool(self.hparams["distillation_weight"])

    def forward(
        self, image_embedding: Float[Tensor, "b d"], class_embeddings: Float[Tensor, "c d"]
    ) -> Float[Tensor, "b c"]:
        """Logits cos(x, w_c(x)) / tau of unit-norm image embeddings over any list of classes."""
        return self.logits(image_embedding, class_embeddings, self.generator(image_embedding))

    def logits(
        self, image_embedding: Float[Tensor, "b d"], class_embeddings: Float[Tensor, "c d"], aape: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b c"]:
        """Logits given AAPE h(x)."""
        cosines = self.projection(image_embedding, class_embeddings, aape)
        return cast(Tensor, cosines * self.logit_scale)

    def weight(self, term: str) -> float:
        """What a term counts in the loss: lambda for L_distill."""
        return float(self.hparams["distillation_weight"]) if term == "distillation" else 1.0

    def generator_terms(self, batch: PromptBatch, summary: Float[Tensor, "b d"] | None) -> dict[str, Float[Tensor, ""]]:
        """The two terms of Eq. 4."""
        labelled = cast(ClassificationBatch, require(batch, "label", "class_embeddings"))
        aape = self.generator(labelled["image_embedding"])
        logits = self.logits(labelled["image_embedding"], labelled["class_embeddings"], aape)
        terms = {"cross_entropy": F.cross_entropy(logits.float(), labelled["label"])}
        return terms if summary is None else terms | {"distillation": distillation_loss(aape, summary)}
