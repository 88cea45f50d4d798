"""The head in a form that can be traced: `torch.export` follows no loop over blocks.

The projections are the functions of `aape_lightning.modules.projection` with all pairs at once: what the modules
compute block by block takes memory for B C r numbers here (`full`: B C d).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from aape_lightning.modules import Projection
from aape_lightning.modules.projection import BottleneckProjection, FullProjection, ResidualProjection

__all__ = ["Scores", "traceable"]


def traceable(projection: Projection) -> nn.Module:
    """A projection's function as a module that can be traced for any number of images and classes.

    Args:
        projection: The head's projection; `none` has no loop and comes back as it is.
    """
    match projection:
        case BottleneckProjection():
            return _Bottleneck(projection)
        case FullProjection():
            return _Full(projection)
    return projection


class Scores(nn.Module):
    """Logits and probabilities of image embeddings over classes.

    Args:
        generator: h.
        projection: The head's projection, in a form that can be traced.
        logit_scale: 1 / tau.
    """

    def __init__(self, generator: nn.Module, projection: nn.Module, logit_scale: float) -> None:
        super().__init__()
        self.generator, self.projection, self.logit_scale = generator, projection, logit_scale

    def forward(
        self, image_embedding: Float[Tensor, "b d"], class_embeddings: Float[Tensor, "c d"]
    ) -> tuple[Float[Tensor, "b c"], Float[Tensor, "b c"]]:
        """The two outputs."""
        aape = self.generator(image_embedding)
        logits = self.projection(image_embedding, class_embeddings, aape) * self.logit_scale
        return logits, logits.softmax(dim=-1)


class _Bottleneck(nn.Module):
    """`BottleneckProjection` and `ResidualProjection`: dot product and norm from r numbers a pair.

    What depends on the weights alone is computed here, once. See `aape_lightning.modules.factorised` for the letters.
    """

    A: Tensor
    B: Tensor
    a: Tensor
    V: Tensor
    v: Tensor
    gram: Tensor

    def __init__(self, projection: BottleneckProjection) -> None:
        super().__init__()
        self.residual = isinstance(projection, ResidualProjection)
        V = projection.outer.weight.detach()
        A, B = projection.inner.weight.detach().chunk(2, dim=1)
        constants = {"A": A, "B": B, "a": projection.inner.bias, "V": V, "v": projection.outer.bias, "gram": V.mT @ V}
        for name, tensor in constants.items():
            self.register_buffer(name, tensor.detach().clone())

    def forward(
        self, x: Float[Tensor, "b d"], w: Float[Tensor, "c d"], h: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b c"]:
        """cos(x, w_c(x)) of every image and class."""
        offset = w + self.v if self.residual else self.v[None].expand_as(w)
        z = (F.linear(h, self.B, self.a)[:, None] + F.linear(w, self.A)[None]).relu()
        dot = (z @ (x @ self.V)[:, :, None])[..., 0] + x @ offset.mT
        n = offset.square().sum(-1)
        norm2 = (z * (z @ self.gram + 2 * (offset @ self.V))).sum(-1) + n
        # A norm that is zero to within rounding has no direction: its cosine is 0.
        lost = norm2 <= 4 * torch.finfo(n.dtype).eps * n + 1e-24
        return torch.where(lost, 0.0, dot * torch.where(lost, 1.0, norm2).rsqrt())


class _Full(nn.Module):
    """`FullProjection`: d numbers a pair."""

    A: Tensor
    B: Tensor
    a: Tensor

    def __init__(self, projection: FullProjection) -> None:
        super().__init__()
        A, B = projection.layer.weight.detach().chunk(2, dim=1)
        for name, tensor in {"A": A, "B": B, "a": projection.layer.bias}.items():
            self.register_buffer(name, tensor.detach().clone())

    def forward(
        self, x: Float[Tensor, "b d"], w: Float[Tensor, "c d"], h: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b c"]:
        """cos(x, w_c(x)) of every image and class."""
        projected = (F.linear(h, self.B, self.a)[:, None] + F.linear(w, self.A)[None]).relu()
        dot = (projected @ x[:, :, None])[..., 0]
        cosine: Tensor = dot / torch.linalg.vector_norm(projected, dim=-1).clamp_min(1e-12)
        return cosine
