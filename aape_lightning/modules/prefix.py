"""The soft prefix of a language model (LiMBeR; paper section 3.3): linear maps of an image's tokens and of AAPE.

Letters: b images, t image tokens, w their width, d embedding width, l width of the language model.
"""

from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["EmbeddingPrefix", "ImagePrefix"]


class ImagePrefix(nn.Module):
    """LiMBeR's map: each image token becomes one soft token by one linear layer, with dropout and no LayerNorm.

    Args:
        token_width: Width w of the image tokens.
        language_width: Width l of the language model's input embeddings.
        dropout: Chance to drop a number of a soft token in training; LiMBeR's.
    """

    def __init__(self, token_width: int, language_width: int, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.linear = nn.Linear(token_width, language_width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, image_tokens: Float[Tensor, "b t w"]) -> Float[Tensor, "b t l"]:
        """Soft tokens, in the parameters' dtype, of a backbone's `image_tokens`."""
        soft: Tensor = self.dropout(self.linear(image_tokens.to(self.linear.weight.dtype)))
        return soft


class EmbeddingPrefix(nn.Module):
    """One further soft token from an embedding in CLIP's space, such as AAPE h(x), by a linear layer of its own.

    Args:
        embed_dim: Embedding width d.
        language_width: Width l of the language model's input embeddings.
    """

    def __init__(self, embed_dim: int, language_width: int) -> None:
        super().__init__()
        # torch's start makes this token fainter than a word; as strong as a word it learned slower on the shapes world.
        self.linear = nn.Linear(embed_dim, language_width)

    def forward(self, embedding: Float[Tensor, "b d"]) -> Float[Tensor, "b 1 l"]:
        """The soft token, in the parameters' dtype, of unit-norm embeddings."""
        soft: Tensor = self.linear(embedding.to(self.linear.weight.dtype))
        return soft[:, None]
