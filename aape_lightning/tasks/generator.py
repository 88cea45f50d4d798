"""The generator alone: h(x) distilled from summaries, for use as an embedding beside the image's own."""

from typing import Literal, cast

from jaxtyping import Float
from torch import Tensor

from aape_lightning.backbones import BackboneSpec
from aape_lightning.batch import PromptBatch
from aape_lightning.modules import Generator, build_aggregator, distillation_loss
from aape_lightning.tasks.base import AAPETask

__all__ = ["GeneratorTask"]


class GeneratorTask(AAPETask):
    """Trains the aggregator by the CLIP reward and the generator by L_distill alone (Eq. 2).

    Args:
        aggregator: `attention`, or the ablation's `mlp`, `mean`, `random`.
        query: What the attention asks with: `image` or `mean` (the literal Eq. 1).
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
        aggregator: Literal["attention", "mlp", "mean", "random"] = "attention",
        query: Literal["image", "mean"] = "image",
        schedule: Literal["staged", "joint"] = "staged",
        aggregator_epochs: int = 20,
        aggregator_lr: float = 1e-3,
        lr: float = 1e-3,
        weight_decay: float = 0.01,
        backbone_spec: dict[str, str | int | float] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.build_if_known()

    def build_modules(self, spec: BackboneSpec) -> None:
        """Build aggregator and generator at the backbone's width."""
        width = spec["embed_dim"]
        self.generator = Generator(width)
        self.aggregator = build_aggregator(self.hparams["aggregator"], width, query=self.hparams["query"])

    def forward(self, image_embedding: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """AAPE h(x) of unit-norm image embeddings."""
        return cast(Tensor, self.generator(image_embedding))

    def generator_terms(self, batch: PromptBatch, summary: Float[Tensor, "b d"] | None) -> dict[str, Float[Tensor, ""]]:
        """L_distill."""
        assert summary is not None
        return {"distillation": distillation_loss(self(batch["image_embedding"]), summary)}
