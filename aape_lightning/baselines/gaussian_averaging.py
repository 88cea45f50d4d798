"""Prompts averaged over the epochs with Gaussian weights: PromptSRC's prompt aggregation (its section 3.2.2)."""

from collections.abc import Mapping

import torch
from jaxtyping import Float64
from torch import Tensor

from aape_lightning.errors import RecipeError

__all__ = ["GaussianAverage", "gaussian_weights"]


def gaussian_weights(epochs: int, *, mean: float, std: float) -> Float64[Tensor, " e"]:
    """What each epoch counts: the density of N(mean, std^2) at 1, 2, ..., E, scaled to sum to 1.

    Args:
        epochs: E, the number of epochs.
        mean: The epoch that counts most, from 1.
        std: How many epochs around it count, above 0.

    Raises:
        RecipeError: If `std` is not above 0.

    Example:
        >>> [round(weight, 3) for weight in gaussian_weights(4, mean=3.0, std=1.0).tolist()]
        [0.058, 0.258, 0.426, 0.258]
    """
    if not std > 0:
        raise RecipeError(f"aggregation_std is {std}; it must be above 0 (--model.aggregation_std).")
    deviations = (torch.arange(1, epochs + 1, dtype=torch.float64) - mean) / std
    # A softmax, and not densities over their sum: far from the mean every density is 0 in floating point.
    return torch.softmax(-(deviations**2) / 2, dim=0)


class GaussianAverage:
    """The weighted sum of tensors over the epochs of a run.

    Attributes:
        total: The sum so far, by the tensors' names; empty before the first epoch.

    Args:
        epochs: Epochs of the whole run.
        mean: The epoch that counts most, from 1.
        std: How many epochs around it count, above 0.
    """

    def __init__(self, epochs: int, *, mean: float, std: float) -> None:
        self._weights = gaussian_weights(epochs, mean=mean, std=std)
        self.total: dict[str, Tensor] = {}

    def add(self, epoch: int, tensors: Mapping[str, Tensor]) -> None:
        """Add what the tensors are after an epoch.

        Args:
            epoch: Number of the epoch, from 0.
            tensors: The same names in each epoch.
        """
        weight = self._weights[epoch].item()
        for name, tensor in tensors.items():
            total = self.total.get(name, torch.zeros_like(tensor)).to(tensor.device)  # a checkpoint's is on the CPU
            self.total[name] = total + weight * tensor.detach()
