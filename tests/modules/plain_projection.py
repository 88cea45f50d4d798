"""The plain form of Eq. 3, as the paper writes it: g runs on the concatenation [w_c ; h(x)] of every pair.

Kept as the reference of the factorised head, in tests and benchmarks. It shares its state dict with the projections.
"""

import torch
from aape_lightning.modules.projection import Projection
from torch import nn
from torch.nn import functional as F


class PlainProjection(nn.Module):
    """cos(x, w_c(x)) through tensors of shape (b, c, 2d) and (b, c, d), with the parameters of a projection."""

    def __init__(self, name: str, projection: Projection) -> None:
        super().__init__()
        self.name = name
        for child, module in projection.named_children():
            self.add_module(child, module)

    def forward(self, x, w, h):
        pairs = torch.cat([w.expand(len(x), *w.shape), h[:, None].expand(len(x), *w.shape)], dim=-1)
        match self.name:
            case "bottleneck":
                projected = self.outer(self.inner(pairs).relu())
            case "residual":
                projected = w + self.outer(self.inner(pairs).relu())
            case "full":
                projected = self.layer(pairs).relu()
            case "none":
                projected = h[:, None]
                return (projected * w).sum(-1)
        return torch.einsum("bd,bcd->bc", x, F.normalize(projected, dim=-1))
