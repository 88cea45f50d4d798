"""The classification head (paper Eq. 3): cos(x, w_c(x)) with w_c(x) = g([w_c ; h(x)]), for every image and class.

Letters: b images, c classes, d embedding width, r bottleneck width.
"""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from aape_lightning.modules.factorised import pair_cosine
from aape_lightning.modules.precision import at_least_float32, without_autocast
from aape_lightning.modules.width import bottleneck_width

__all__ = [
    "BottleneckProjection",
    "FullProjection",
    "NoProjection",
    "Projection",
    "ResidualProjection",
    "build_projection",
]

ProjectionName = Literal["bottleneck", "residual", "full", "none"]


class Projection(nn.Module, ABC):
    """Matches images to classes: cosines, without the temperature, computed in at least float32 under any autocast.

    Args:
        embed_dim: Embedding width d.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.embed_dim = embed_dim

    def forward(
        self,
        image_embedding: Float[Tensor, "b d"],
        class_embeddings: Float[Tensor, "c d"],
        aape: Float[Tensor, "b d"],
    ) -> Float[Tensor, "b c"]:
        """cos(x, w_c(x)) of every image and class.

        Args:
            image_embedding: x, unit norm.
            class_embeddings: w_c, unit norm.
            aape: h(x), unit norm.

        Raises:
            ValueError: If a width is not the one that the projection was built for.
        """
        inputs = {"image_embedding": image_embedding, "class_embeddings": class_embeddings, "aape": aape}
        for name, tensor in inputs.items():
            if tensor.shape[-1] != self.embed_dim:
                raise ValueError(f"{name} is {tensor.shape[-1]} wide; this projection was built for {self.embed_dim}.")
        dtype = at_least_float32(*inputs.values(), *self.parameters())
        with without_autocast(image_embedding):
            return self._cosine(image_embedding.to(dtype), class_embeddings.to(dtype), aape.to(dtype))

    @abstractmethod
    def _cosine(
        self, x: Float[Tensor, "b d"], w: Float[Tensor, "c d"], h: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b c"]:
        """cos(x, w_c(x)) of inputs in the dtype to compute in."""


class BottleneckProjection(Projection):
    r"""The literal method: g is 2d -> r -> d with ReLU inside (49,696 parameters at d = 512, 82k with the generator).

    .. math:: w_c(x) = V\, \mathrm{relu}(A w_c + B h(x) + a) + v

    `inner` holds [A B] and a, `outer` holds V and v. The factorised form is the same function as the concatenation:
    see `aape_lightning.modules.factorised`.

    Args:
        embed_dim: Embedding width d.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__(embed_dim)
        self.inner = nn.Linear(2 * embed_dim, bottleneck_width(embed_dim))
        self.outer = nn.Linear(bottleneck_width(embed_dim), embed_dim)

    def _cosine(
        self, x: Float[Tensor, "b d"], w: Float[Tensor, "c d"], h: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b c"]:
        class_part, image_part = _split(self.inner, w, h)
        V, v = self.outer.weight.to(x.dtype), self.outer.bias.to(x.dtype)
        offset = self._base(w) + v
        s, t, n = x @ offset.mT, offset @ V, offset.square().sum(-1)
        s, t, n = s.expand(len(x), len(w)), t.expand(len(w), -1), n.expand(len(w))
        return pair_cosine(class_part, image_part, x @ V, s, V.mT @ V, t, n)

    def _base(self, w: Float[Tensor, "c d"]) -> Float[Tensor, "#c d"]:
        """What g's output is added to."""
        return w.new_zeros(1, w.shape[-1])


class ResidualProjection(BottleneckProjection):
    r"""Ours: g corrects the class embedding. V and v start at zero, so training starts at zero-shot CLIP.

    .. math:: w_c(x) = w_c + V\, \mathrm{relu}(A w_c + B h(x) + a) + v

    Args:
        embed_dim: Embedding width d.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__(embed_dim)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def _base(self, w: Float[Tensor, "c d"]) -> Float[Tensor, "#c d"]:
        return w


class FullProjection(Projection):
    r"""The paper's sentence word for word: g is one layer with ReLU, 2d -> d.

    .. math:: w_c(x) = \mathrm{relu}(W [w_c ; h(x)] + b)

    The ReLU comes last, so d numbers a pair are unavoidable; they exist one block of images at a time.

    Args:
        embed_dim: Embedding width d.
    """

    # Numbers of w_c(x) in one block of images.
    BLOCK = 2**20

    def __init__(self, embed_dim: int) -> None:
        super().__init__(embed_dim)
        self.layer = nn.Linear(2 * embed_dim, embed_dim)

    def _cosine(
        self, x: Float[Tensor, "b d"], w: Float[Tensor, "c d"], h: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b c"]:
        class_part, image_part = _split(self.layer, w, h)
        rows = max(1, self.BLOCK // max(1, class_part.numel()))
        blocks = [
            checkpoint(_full_cosine, x_block, image_block, class_part, use_reentrant=False, preserve_rng_state=False)
            for x_block, image_block in zip(x.split(rows), image_part.split(rows), strict=True)
        ]
        return torch.cat(blocks)


class NoProjection(Projection):
    """The ablation without g: h(x) itself is matched to w_c. Nothing is learned.

    Args:
        embed_dim: Embedding width d.
    """

    def _cosine(
        self, x: Float[Tensor, "b d"], w: Float[Tensor, "c d"], h: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b c"]:
        return h @ w.mT


def build_projection(name: ProjectionName, embed_dim: int) -> Projection:
    """The projection of a name.

    Args:
        name: `bottleneck` (the literal method), `residual` (ours), `full` (one layer) or `none` (h(x) alone).
        embed_dim: Embedding width d.

    Raises:
        ValueError: If the name is unknown.
    """
    match name:
        case "bottleneck":
            return BottleneckProjection(embed_dim)
        case "residual":
            return ResidualProjection(embed_dim)
        case "full":
            return FullProjection(embed_dim)
        case "none":
            return NoProjection(embed_dim)
    raise ValueError(f"projection is {name!r}; it must be 'bottleneck', 'residual', 'full' or 'none'.")


def _split(
    layer: nn.Linear, w: Float[Tensor, "c d"], h: Float[Tensor, "b d"]
) -> tuple[Float[Tensor, "c r"], Float[Tensor, "b r"]]:
    """A layer over [w_c ; h(x)] as the part that a class adds and the part that an image adds, bias included."""
    A, B = layer.weight.to(w.dtype).chunk(2, dim=1)
    return F.linear(w, A), F.linear(h, B, layer.bias.to(w.dtype))


def _full_cosine(
    x: Float[Tensor, "b d"], image_part: Float[Tensor, "b d"], class_part: Float[Tensor, "c d"]
) -> Float[Tensor, "b c"]:
    """Cosines of one block of images with relu(class_part + image_part)."""
    projected = (image_part[:, None] + class_part).relu()
    dot, norm = torch.einsum("bd,bcd->bc", x, projected), torch.linalg.vector_norm(projected, dim=-1)
    cosine: Tensor = dot / norm.clamp_min(
        1e-12
    )  # divides (b, c) numbers, where normalising first would divide (b, c, d)
    return cosine
