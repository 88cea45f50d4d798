"""The loss of a causal language model: what counts as a label is said by a mask, never by a token's number."""

from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

__all__ = ["IGNORED", "labels_of", "next_token_loss"]

IGNORED = -100  # no token has a negative number; 0 is "!" in GPT-2's vocabulary, and the end token is often the padding


def labels_of(tokens: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> Int[Tensor, "b t"]:
    """The tokens, with `IGNORED` wherever the mask is False: at padding, and at a prefix."""
    return tokens.masked_fill(~mask, IGNORED)


def next_token_loss(
    logits: Float[Tensor, "b t v"], tokens: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]
) -> Float[Tensor, ""]:
    """Mean cross-entropy, in nats, of each token that counts given those before it; a row's first has none before it.

    Args:
        logits: The model's, each for the token that comes next.
        tokens: What the model was given.
        mask: True at the tokens that count.
    """
    labels = labels_of(tokens, mask)
    return F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=IGNORED)
