"""Multinomial logistic regression, solved to its optimum, and CoOp's search for the strength of its penalty."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import minimize  # type: ignore[import-untyped]
from torch import Tensor

__all__ = ["LogisticRegression", "logistic_regression", "searched_inverse_penalty"]

_GRID = (6, 4, 2, 0, -2, -4, -6)  # log10 of the first candidates, in the published order
_BISECTIONS = 8
_ITERATIONS = 1000


class LogisticRegression(NamedTuple):
    """Weights and biases by class, float64."""

    weight: Float[Tensor, "c d"]
    bias: Float[Tensor, " c"]

    def logits(self, features: Float[Tensor, "m d"]) -> Float[Tensor, "m c"]:
        """Logits of features."""
        return features.double() @ self.weight.T + self.bias


def logistic_regression(
    features: Float[Tensor, "m d"],
    labels: Int[Tensor, " m"],
    classes: int,
    inverse_penalty: float,
    *,
    tolerance: float = 1e-5,
) -> LogisticRegression:
    r"""The minimum of scikit-learn's objective, which lpclip of CoOp and CLIP's own linear probe minimise.

    .. math:: C \sum_i -\log p(y_i \mid x_i) + \tfrac12 \lVert W \rVert^2

    Solved in float64 by L-BFGS (scipy), as there, in at most 1000 iterations; biases are not penalised. The minimum
    exists and W is unique.

    Args:
        features: Features.
        labels: Their classes, below `classes`.
        classes: Number of classes.
        inverse_penalty: C, above 0.
        tolerance: Largest entry, at the solution, of the gradient of the objective divided by C m.
    """
    x, width = features.double(), features.shape[1]
    ridge = 1 / (inverse_penalty * len(x))
    rows = torch.arange(len(x), device=x.device)

    def mean_loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = torch.from_numpy(flat).to(x.device).view(classes, width + 1)
        weight, bias = parameters[:, :-1], parameters[:, -1]
        log_p = torch.log_softmax(x @ weight.T + bias, dim=1)
        residual = log_p.exp()
        residual[rows, labels] -= 1
        slope = residual.T @ x / len(x) + ridge * weight
        gradient = torch.cat([slope, residual.mean(0)[:, None]], dim=1)
        loss = -log_p[rows, labels].mean() + ridge / 2 * weight.square().sum()
        return float(loss), gradient.flatten().cpu().numpy()

    options = {"maxiter": _ITERATIONS, "maxfun": 10 * _ITERATIONS, "gtol": tolerance, "ftol": 64 * np.finfo(float).eps}
    found = minimize(mean_loss, np.zeros(classes * (width + 1)), jac=True, method="L-BFGS-B", options=options)
    solved = torch.from_numpy(found.x).to(x.device).view(classes, width + 1)
    return LogisticRegression(solved[:, :-1], solved[:, -1])


def searched_inverse_penalty(validation_accuracy: Callable[[float], float]) -> float:
    """C by the search of CoOp's linear probe (lpclip): seven powers of ten, then eight steps towards the better end.

    Every step compares the ends of an interval of log10 C, which starts a power of ten to either side of the best of
    the seven, and keeps the half at the better end (the lower one where they tie). The last step's better end is C.

    Args:
        validation_accuracy: Accuracy, on the validation images, of the regression with a C.
    """
    peak = max(_GRID, key=lambda exponent: validation_accuracy(10.0**exponent))
    low, high, best = peak - 1.0, peak + 1.0, float(peak)
    at: dict[float, float] = {}
    for _ in range(_BISECTIONS):
        for end in (low, high):
            if end not in at:
                at[end] = validation_accuracy(10.0**end)
        middle = (low + high) / 2
        best, low, high = (high, middle, high) if at[low] < at[high] else (low, low, middle)
    return math.pow(10.0, best)
