"""What became of the images of a test: which classes were taken for which, and how sure the classifier was."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from aape_lightning.metrics.calibration import BINS, Reliability

__all__ = ["ClassifierOutcomes", "Outcomes", "reliability"]


class Outcomes(NamedTuple):
    """Counts over the images of a test.

    Attributes:
        images: How many images each class has.
        correct: How many of them were predicted rightly.
        confusions: True class, predicted class, and how many images, the most first; pairs without an image are absent.
        reliability: The images by confidence.
        cross_entropy: Mean negative log-likelihood of the true class, in nats.
    """

    images: list[int]
    correct: list[int]
    confusions: list[tuple[int, int, int]]
    reliability: Reliability
    cross_entropy: float


class ClassifierOutcomes(Metric):
    """Counts confusions and confidences of a classifier's test, over all processes.

    It keeps three numbers an image and never a matrix of classes, so that 50,000 images of 1,000 classes take less than
    a megabyte. Processes exchange them once, when the test has ended.

    Args:
        classes: How many classes there are.
    """

    full_state_update = False
    pairs: list[Tensor]
    confidences: list[Tensor]
    log_likelihoods: list[Tensor]

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.add_state("pairs", [], dist_reduce_fx="cat")
        self.add_state("confidences", [], dist_reduce_fx="cat")
        self.add_state("log_likelihoods", [], dist_reduce_fx="cat")

    def update(self, logits: Float[Tensor, "b c"], predicted: Int[Tensor, " b"], label: Int[Tensor, " b"]) -> None:
        """Add one batch.

        Args:
            logits: Of every class.
            predicted: The class with the largest logit.
            label: The true class.
        """
        log_probabilities = logits.float().log_softmax(dim=1)
        chosen, true = (log_probabilities.gather(1, row[:, None])[:, 0] for row in (predicted, label))
        self.pairs.append(label * self.classes + predicted)
        self.confidences.append(chosen.exp().clamp(max=1.0))
        self.log_likelihoods.append(true)

    def compute(self) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Of every image its pair of classes as one number, its confidence, and the true class's log-likelihood."""
        return dim_zero_cat(self.pairs), dim_zero_cat(self.confidences), dim_zero_cat(self.log_likelihoods)

    def outcomes(self) -> Outcomes:
        """The counts so far; what torchmetrics hands on from `compute` it walks through number by number."""
        if not self.pairs:  # of a process without an image torchmetrics would exchange numbers of another type
            nothing = torch.empty(0, dtype=torch.long, device=self.device)
            self.update(torch.empty(0, self.classes, device=self.device), nothing, nothing)
        # torchmetrics makes a scalar of what it finds to be a single number.
        pairs, confidences, log_likelihoods = (tensor.cpu().reshape(-1) for tensor in self.compute())
        label, predicted = pairs // self.classes, pairs % self.classes
        right = label == predicted
        return Outcomes(
            images=torch.bincount(label, minlength=self.classes).tolist(),
            correct=torch.bincount(label[right], minlength=self.classes).tolist(),
            confusions=self._confusions(pairs[~right]),
            reliability=reliability(confidences, right),
            cross_entropy=-float(log_likelihoods.double().mean()),
        )

    def _confusions(self, wrong: Int[Tensor, " n"]) -> list[tuple[int, int, int]]:
        codes, counts = wrong.unique(return_counts=True)
        order = counts.argsort(descending=True, stable=True)
        true, predicted = codes[order] // self.classes, codes[order] % self.classes
        return list(zip(true.tolist(), predicted.tolist(), counts[order].tolist(), strict=True))


def reliability(confidence: Float[Tensor, " n"], correct: Bool[Tensor, " n"], bins: int = BINS) -> Reliability:
    """Sort images into bins by confidence.

    Args:
        confidence: The probability of each image's predicted class, in [0, 1]. A confidence of 1 belongs to the last
            bin, and one on a border to the bin above it.
        correct: Whether the prediction is right.
        bins: How many bins.

    Example:
        >>> reliability(torch.tensor([0.2, 0.9, 1.0]), torch.tensor([False, True, False]), bins=2)
        Reliability(images=[1, 2], confidence=[0.2, 1.9], correct=[0, 1])
    """
    borders = torch.linspace(0, 1, bins + 1, device=confidence.device)[1:-1]
    place = torch.bucketize(confidence, borders, right=True)
    sums = torch.bincount(place, confidence.double(), bins)
    return Reliability(
        torch.bincount(place, minlength=bins).tolist(),
        [round(value, 6) for value in sums.tolist()],
        torch.bincount(place[correct], minlength=bins).tolist(),
    )
