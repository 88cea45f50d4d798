"""Means of an epoch's loss terms, kept on the device."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["EpochMeans"]


class EpochMeans:
    """Sums named scalars weighted by batch size, without waiting for the device; plain tensors, not parameters."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._weights: dict[str, float] = {}

    @torch.no_grad()
    def update(self, terms: dict[str, Float[Tensor, ""]], weight: int) -> None:
        """Add one batch's terms."""
        for name, value in terms.items():
            if name not in self._sums:
                self._sums[name], self._weights[name] = torch.zeros((), device=value.device), 0
            self._sums[name].add_(value.detach(), alpha=weight)
            self._weights[name] += weight

    def compute(self) -> dict[str, Float[Tensor, ""]]:
        """The means since the last call, and start again."""
        means = {name: total / self._weights[name] for name, total in self._sums.items()}
        self._sums, self._weights = {}, {}
        return means

    def state_dict(self) -> dict[str, Float[Tensor, "2"]]:
        """Sum and weight of each name since the last call of `compute`, for a checkpoint inside an epoch."""
        return {
            name: torch.tensor([float(total), self._weights[name]], dtype=torch.float64)
            for name, total in self._sums.items()
        }

    def load_state_dict(self, state_dict: dict[str, Float[Tensor, "2"]], device: torch.device) -> None:
        """Go on with these sums, on a device."""
        self._sums = {name: state[0].to(device, torch.float32) for name, state in state_dict.items()}
        self._weights = {name: float(state[1]) for name, state in state_dict.items()}
