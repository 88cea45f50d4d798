"""The prompt generator h (paper section 3.3): image embedding -> AAPE, a prompt embedding in CLIP's space."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from aape_lightning.modules.width import bottleneck_width

__all__ = ["Generator"]


class Generator(nn.Module):
    """h: two linear layers and ReLU, d -> r -> d; its normalised output is AAPE (33k parameters at d = 512).

    Args:
        embed_dim: Embedding width d.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.inner = nn.Linear(embed_dim, bottleneck_width(embed_dim))
        self.outer = nn.Linear(bottleneck_width(embed_dim), embed_dim)

    def forward(self, image_embedding: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """AAPE h(x), unit norm and in the parameters' dtype, of unit-norm image embeddings."""
        hidden = self.inner(image_embedding.to(self.inner.weight.dtype)).relu()
        return F.normalize(self.outer(hidden), dim=-1)
