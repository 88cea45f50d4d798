"""Which epochs of a run belong to which stage."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Plan", "Stage"]

Stage = Literal["aggregator", "generator", "joint"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Epochs of each stage: of the staged schedule's two in their order, or of the joint schedule's one.

    Example:
        >>> plan = Plan(aggregator=2, generator=3)
        >>> plan.epochs, [plan.stage_at(epoch) for epoch in (0, 1, 2)]
        (5, ['aggregator', 'aggregator', 'generator'])
    """

    aggregator: int = 0
    generator: int = 0
    joint: int = 0

    @property
    def epochs(self) -> int:
        """Epochs of the run."""
        return self.aggregator + self.generator + self.joint

    def stage_at(self, epoch: int) -> Stage:
        """The stage that an epoch belongs to; the last stage's beyond the end."""
        if self.joint:
            return "joint"
        return "aggregator" if epoch < self.aggregator or not self.generator else "generator"

    def epochs_of(self, stage: Stage) -> int:
        """Epochs of one stage."""
        return {"aggregator": self.aggregator, "generator": self.generator, "joint": self.joint}[stage]
