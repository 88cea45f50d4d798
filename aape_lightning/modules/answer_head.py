"""The discriminative head of visual question answering (paper section 3.3): an answer out of a fixed vocabulary.

Letters: b questions, a answers, d embedding width.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aape_lightning.modules.precision import at_least_float32

__all__ = ["AnswerHead", "answer_loss"]


class AnswerHead(nn.Module):
    """A perceptron with one hidden layer over [image embedding; AAPE; question embedding].

    Embeddings of norm 1 have entries of about 1 / sqrt(d), from which a layer at torch's usual start learns slowly;
    they are taken times sqrt(d).

    Args:
        embed_dim: Width d of each embedding.
        answers: Size a of the vocabulary.
        with_aape: Whether AAPE is among the inputs.
        hidden: Width of the hidden layer.
        dropout: Chance to drop a hidden number in training.
    """

    def __init__(
        self, embed_dim: int, answers: int, *, with_aape: bool, hidden: int = 1024, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.scale = math.sqrt(embed_dim)
        self.layers = nn.Sequential(
            nn.Linear((3 if with_aape else 2) * embed_dim, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, answers),
        )

    def forward(
        self,
        image_embedding: Float[Tensor, "b d"],
        question_embedding: Float[Tensor, "b d"],
        aape: Float[Tensor, "b d"] | None = None,
    ) -> Float[Tensor, "b a"]:
        """Logits of the answers from unit-norm embeddings; AAPE is given where the head was built with it.

        Embeddings come in any dtype and are taken in the parameters' own.
        """
        inputs = [image_embedding, question_embedding] if aape is None else [image_embedding, aape, question_embedding]
        logits: Tensor = self.layers(self.scale * torch.cat(inputs, dim=-1).to(next(self.parameters()).dtype))
        return logits


def answer_loss(logits: Float[Tensor, "b a"], share: Float[Tensor, "b a"]) -> Float[Tensor, ""]:
    r"""Cross-entropy with the shares of the answers that people gave, in nats and at least float32.

    .. math:: -\frac{1}{n} \sum_{b, a} \text{share}_{ba} \log \text{softmax}(\text{logits}_b)_a

    The sum is over the n questions of the batch with an answer in the vocabulary; the others contribute nothing.

    Args:
        logits: Scores of the answers.
        share: The answers' shares, fractions; a row sums to less than 1 where answers are not in the vocabulary.
    """
    answerable = (share.sum(dim=-1) > 0).sum().clamp(min=1)
    return -(share * logits.to(at_least_float32(logits)).log_softmax(dim=-1)).sum() / answerable
