"""VQA accuracy as a torchmetrics metric: whole numbers that are summed over batches and processes."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from aape_lightning.errors import MetricError, listed
from aape_lightning.metrics.vqa import score_tallies, tally

__all__ = ["VQAAccuracy"]


class VQAAccuracy(Metric):
    """Soft accuracy and exact match, over all questions and in groups, as `vqa_scores` gives them.

    Every question counts as often as it is added: let the sampler deal each out once.

    Args:
        groups: Names of all groups that questions may belong to, the same in every process, in any order.

    Example:
        >>> metric = VQAAccuracy(["answer_type/number"])
        >>> metric.update(["two"], [["2"] * 5 + ["3"] * 5], [["answer_type/number"]])
        >>> metric.compute()["answer_type/number/accuracy"]
        1.0
    """

    full_state_update = False
    sums: Tensor

    def __init__(self, groups: Iterable[str] = ()) -> None:
        super().__init__()
        self.groups = sorted({"", *groups})  # sums of different processes must belong to the same group
        self.add_state("sums", torch.zeros(len(self.groups), 4, dtype=torch.long), dist_reduce_fx="sum")

    def update(
        self,
        predictions: Sequence[str],
        answers: Sequence[Sequence[str]],
        groups: Sequence[Iterable[str]] | None = None,
    ) -> None:
        """Add one batch.

        Args:
            predictions: An answer to each question.
            answers: What people answered.
            groups: The groups of each question.

        Raises:
            MetricError: If a question has no answers, or a group is unknown.
        """
        tallies = tally(predictions, answers, groups)
        if unknown := [name for name in tallies if name not in self.groups]:
            raise MetricError(f"No group {listed(unknown)}; the groups are {listed(self.groups[1:], limit=20)}.")
        for name, sums in tallies.items():
            self.sums[self.groups.index(name)] += torch.tensor(sums, device=self.sums.device)

    def compute(self) -> dict[str, float]:
        """The scores so far.

        Raises:
            MetricError: If there was no question.
        """
        return score_tallies(dict(zip(self.groups, self.sums.tolist(), strict=True)))
