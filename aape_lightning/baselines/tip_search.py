"""The votes of Tip-Adapter's memory, and the published search for alpha and beta."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["best_on_validation", "cached_logits"]

_FROM = 0.1
_ALPHA_STEPS, _BETA_STEPS = 20, 200


def cached_logits(
    affinity: Float[Tensor, "b m"], values: Float[Tensor, "m c"], beta: float | Float[Tensor, ""]
) -> Float[Tensor, "b c"]:
    """Each class's sum of exp(-beta (1 - affinity)) over its keys.

    Args:
        affinity: Cosines of images and keys.
        values: The keys' classes, one-hot.
        beta: Sharpness.
    """
    return (-beta * (1 - affinity)).exp() @ values


def best_on_validation(
    zero_shot: Float[Tensor, "v c"],
    affinity: Float[Tensor, "v m"],
    values: Float[Tensor, "m c"],
    labels: Int[Tensor, " v"],
    alpha_scale: float,
    beta_scale: float,
) -> tuple[float, float]:
    """The alpha and beta of the best accuracy: the first of those that tie, beta by beta, as released.

    Args:
        zero_shot: Zero-shot logits of the validation images.
        affinity: Their cosines with the keys.
        values: The keys' classes, one-hot.
        labels: Classes of the validation images.
        alpha_scale: alpha is searched in 20 steps from 0.1 to below this.
        beta_scale: beta is searched in 200 steps from 0.1 to below this.

    Returns:
        alpha, beta.
    """
    alphas, best, chosen = _grid(alpha_scale, _ALPHA_STEPS), -1, (0.0, 0.0)
    for beta in _grid(beta_scale, _BETA_STEPS):
        votes = cached_logits(affinity, values, beta)
        hits = [((zero_shot + alpha * votes).argmax(1) == labels).sum() for alpha in alphas]
        most, place = torch.stack(hits).cpu().max(0)
        if int(most) > best:
            best, chosen = int(most), (alphas[int(place)], beta)
    return chosen


def _grid(scale: float, steps: int) -> list[float]:
    return [_FROM + step * (scale - _FROM) / steps for step in range(steps)]
