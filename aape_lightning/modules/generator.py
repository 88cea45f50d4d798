"""The prompt generator h (paper section 3.3): image embedding -> AAPE, a prompt embedding in CLIP's space."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from aape_lightning.modules.precision import at_least_float32, without_autocast
from aape_lightning.modules.width import bottleneck_width

__all__ = ["Generator"]


class Generator(nn.Module):
    """h: two linear layers and ReLU, d -> r -> d; its normalised output is AAPE (33k parameters at d = 512).

    Autocast does not reach it: under `bf16-mixed` and `16-mixed` AAPE and its gradients are those of `32-true`. With
    parameters of 8 or 11 bits (`bf16-true`, `16-true`) AAPE is off by at most 1e-2 or 1.5e-3 in norm.

    Args:
        embed_dim: Embedding width d.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.inner = nn.Linear(embed_dim, bottleneck_width(embed_dim))
        self.outer = nn.Linear(bottleneck_width(embed_dim), embed_dim)

    def forward(self, image_embedding: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """AAPE h(x), unit norm and in the parameters' dtype, of unit-norm image embeddings."""
        dtype = self.inner.weight.dtype
        with without_autocast(image_embedding):
            raw: Tensor = self.outer(self.inner(image_embedding.to(dtype)).relu())
            # In float16 the guard of a norm of zero would itself be zero.
            return F.normalize(raw.to(at_least_float32(raw)), dim=-1).to(dtype)
