"""The residual query of retrieval: the image embedding plus a share of AAPE. Ours, not the paper's."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ResidualQuery"]


class ResidualQuery(nn.Module):
    """normalize(x + a h(x)) with a trained scalar a that starts at zero: training starts at zero-shot CLIP."""

    def __init__(self) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, image_embedding: Float[Tensor, "b d"], aape: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """The query, unit norm, of unit-norm embeddings."""
        return F.normalize(image_embedding + self.share * aape, dim=-1)
