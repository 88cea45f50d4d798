"""The aggregator alone: sentences and images in, aligned summaries out (paper section 3.2)."""

from typing import Literal

from aape_lightning.backbones import BackboneSpec
from aape_lightning.modules import build_aggregator
from aape_lightning.tasks.base import AAPETask
from aape_lightning.tasks.plan import Plan

__all__ = ["AggregatorTask"]


class AggregatorTask(AAPETask):
    """Trains an aggregator by the CLIP reward and nothing else.

    Args:
        aggregator: `attention`, or the ablation's `mlp`.
        query: What the attention asks with: `image` or `mean` (the literal Eq. 1).
        aggregator_lr: Learning rate.
        weight_decay: AdamW's.
        backbone_spec: The backbone trained on; recorded by the first fit, not for users to set.
    """

    def __init__(
        self,
        *,
        aggregator: Literal["attention", "mlp"] = "attention",
        query: Literal["image", "mean"] = "image",
        aggregator_lr: float = 1e-3,
        weight_decay: float = 0.01,
        backbone_spec: dict[str, str | int | float] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.build_if_known()

    def build_modules(self, spec: BackboneSpec) -> None:
        """Build the aggregator at the backbone's width."""
        self.aggregator = build_aggregator(self.hparams["aggregator"], spec["embed_dim"], query=self.hparams["query"])

    @property
    def plan(self) -> Plan:
        """One stage."""
        return Plan(aggregator=self.trainer.max_epochs or 0)
