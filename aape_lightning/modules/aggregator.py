"""The prompt aggregator (paper section 3.2, Eq. 1): sentences about a class or an image -> one summary. Training only.

Letters: b images, n sentences (padded), d embedding width, k heads.
"""

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from aape_lightning.modules.precision import at_least_float32, without_autocast
from aape_lightning.modules.width import bottleneck_width

__all__ = [
    "Aggregator",
    "AttentionAggregator",
    "MLPAggregator",
    "MeanAggregator",
    "RandomAggregator",
    "build_aggregator",
    "prompt_mean",
]

Query = Literal["image", "mean"]
Variant = Literal["attention", "mlp", "mean", "random"]


def prompt_mean(prompts: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"]) -> Float[Tensor, "b d"]:
    """p̄: the normalised mean of the sentences that the mask marks, in the dtype of the sentences."""
    dtype = at_least_float32(prompts)
    with without_autocast(prompts):
        # A product with the mask as a row of ones and zeros: no masked copy of the sentences.
        total = torch.bmm(mask[:, None].to(dtype), prompts.to(dtype))[:, 0]
        return F.normalize(total, dim=-1).to(prompts.dtype)


class Aggregator(nn.Module, ABC):
    """Condenses sentences into a summary: unit norm, whatever the order and the padding of the sentences.

    Autocast does not reach it: under `bf16-mixed` and `16-mixed` summaries and gradients are those of `32-true`. With
    parameters of 8 or 11 bits (`bf16-true`, `16-true`) layers round to them, but scores, softmax, weighted sum and
    norms have at least float32; embeddings come in any dtype, and a learned summary has the parameters'.
    """

    def forward(
        self, prompts: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"], image_embedding: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b d"]:
        """The summary p^a of each image's sentences.

        Args:
            prompts: Unit-norm sentence embeddings, padded.
            mask: True where `prompts` holds a sentence; at least one an image.
            image_embedding: Unit-norm image embeddings; used by the `image` query alone.
        """
        with without_autocast(prompts):
            return self._summary(prompts, mask, image_embedding)

    @abstractmethod
    def _summary(
        self, prompts: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"], image_embedding: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b d"]:
        """The summary, computed out of autocast's reach."""


class AttentionAggregator(Aggregator):
    r"""One attention layer (Eq. 1): cross-attention from one query over the sentences, feed-forward, both residual.

    .. math:: a = \bar p + W_o [W_v \textstyle\sum_i \alpha_i p_i], \quad p^a = a + \mathrm{FFN}(\mathrm{LN}(a)),
              \quad \alpha = \mathrm{softmax}(q^\top W_k P / \sqrt{d_k})

    The query is :math:`W_q \mathrm{LN}(\bar p)`, or :math:`W_q \mathrm{LN}(\bar p + x)` with `query="image"`. The
    image then enters the attention scores alone: values and residual come from the sentences, since otherwise the
    reward has a trivial optimum, p^a = x, that throws the language away. Both residual branches start at zero, so
    training starts at the mean. As there is one query an image, W_k is folded into it and W_v applied after the
    weighted sum: no sentence is ever projected, and the cost is O(n d).

    Args:
        embed_dim: Embedding width d.
        query: What asks: the mean sentence (the literal Eq. 1), or the mean sentence and the image.
    """

    def __init__(self, embed_dim: int, *, query: Query = "image") -> None:
        super().__init__()
        self.query = query
        self.heads = math.gcd(embed_dim, max(1, embed_dim // 64))  # 64 wide wherever d allows
        self.query_norm = nn.LayerNorm(embed_dim)
        self.query_projection = nn.Linear(embed_dim, embed_dim, bias=False)
        self.key_projection = nn.Linear(embed_dim, embed_dim, bias=False)
        self.value_projection = nn.Linear(embed_dim, embed_dim, bias=False)
        self.output_projection = nn.Linear(embed_dim, embed_dim)
        hidden, last = bottleneck_width(embed_dim), nn.Linear(bottleneck_width(embed_dim), embed_dim)
        self.feed_forward = nn.Sequential(nn.LayerNorm(embed_dim), nn.Linear(embed_dim, hidden), nn.ReLU(), last)
        for layer in (self.output_projection, last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def _summary(
        self, prompts: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"], image_embedding: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b d"]:
        mean, attention = self._attend(prompts, mask, image_embedding)
        layer, scale = mean.dtype, prompts.shape[-1] ** 0.5
        blended = torch.bmm(attention, prompts.to(attention)) * scale
        values = self._by_head(self.value_projection.weight.to(blended))
        found = torch.bmm(blended.transpose(0, 1), values.mT).transpose(0, 1).flatten(1)
        attended = mean + self.output_projection(found.to(layer))
        summary = attended + self.feed_forward(attended)
        return F.normalize(summary.to(at_least_float32(summary)), dim=-1).to(layer)

    def attention(
        self, prompts: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"], image_embedding: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b n"]:
        """Share of attention that each sentence receives, averaged over heads; sums to 1 over the sentences."""
        with without_autocast(prompts):
            return self._attend(prompts, mask, image_embedding)[1].mean(1)

    def _attend(
        self, prompts: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"], image_embedding: Float[Tensor, "b d"]
    ) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b k n"]]:
        """The mean sentence, with components of order 1 as a layer expects them, and the attention.

        The scores are products of d components of order 1, so float16 could overflow. That order comes from the query,
        which is small, and not from a scaled copy of the sentences.
        """
        scale, layer = prompts.shape[-1] ** 0.5, self.query_projection.weight.dtype
        mean = prompt_mean(prompts, mask).to(layer) * scale
        asked = mean if self.query == "mean" else mean + image_embedding.to(layer) * scale
        queries = self.query_projection(self.query_norm(asked)).unflatten(-1, (self.heads, -1))
        fine = at_least_float32(queries)
        folded = torch.bmm(queries.transpose(0, 1).to(fine), self._by_head(self.key_projection.weight.to(fine)))
        scores = torch.bmm(folded.transpose(0, 1) * (scale * queries.shape[-1] ** -0.5), prompts.to(fine).mT)
        return mean, scores.masked_fill(~mask[:, None], float("-inf")).softmax(-1)

    def _by_head(self, weight: Float[Tensor, "d e"]) -> Float[Tensor, "k h e"]:
        return torch.unflatten(weight, 0, (self.heads, -1))


class MLPAggregator(Aggregator):
    """The ablation's MLP (paper appendix B.1): alpha f(p̄) + (1 - alpha) p̄, f a bottleneck with ReLU, alpha learned.

    Args:
        embed_dim: Embedding width d.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        hidden = bottleneck_width(embed_dim)
        self.mlp = nn.Sequential(nn.Linear(embed_dim, hidden), nn.ReLU(), nn.Linear(hidden, embed_dim))
        self.alpha = nn.Parameter(torch.tensor(0.5))

    def _summary(
        self, prompts: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"], image_embedding: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b d"]:
        mean = prompt_mean(prompts, mask).to(self.alpha.dtype)
        blend = self.alpha * self.mlp(mean) + (1 - self.alpha) * mean
        return F.normalize(blend.to(at_least_float32(blend)), dim=-1).to(blend.dtype)


class MeanAggregator(Aggregator):
    """The ablation's mean: p^a = p̄. Nothing is learned."""

    def _summary(
        self, prompts: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"], image_embedding: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b d"]:
        return prompt_mean(prompts, mask)


class RandomAggregator(Aggregator):
    """The ablation's random sentence: p^a is one of the image's sentences. Nothing is learned.

    It is the one that lies furthest along a direction drawn with the module: another one with another seed, and the
    same in every epoch, batch and process, whatever the order of the sentences.

    Args:
        embed_dim: Embedding width d.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.direction: Tensor
        self.register_buffer("direction", torch.randn(embed_dim))

    def _summary(
        self, prompts: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"], image_embedding: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b d"]:
        place = (prompts.float() @ self.direction.float()).masked_fill(~mask, float("-inf"))
        return prompts[torch.arange(len(prompts), device=prompts.device), place.argmax(1)]


def build_aggregator(variant: Variant, embed_dim: int, *, query: Query = "image") -> Aggregator:
    """The aggregator of a name (paper Table 4).

    Raises:
        ValueError: If the variant or the query is unknown.
    """
    if query not in ("image", "mean"):
        raise ValueError(f"query is {query!r}; it must be 'image' or 'mean'.")
    match variant:
        case "attention":
            return AttentionAggregator(embed_dim, query=query)
        case "mlp":
            return MLPAggregator(embed_dim)
        case "mean":
            return MeanAggregator()
        case "random":
            return RandomAggregator(embed_dim)
    raise ValueError(f"aggregator is {variant!r}; it must be 'attention', 'mlp', 'mean' or 'random'.")
