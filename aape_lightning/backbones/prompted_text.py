"""The text tower of OpenAI's CLIP on word embeddings, some of which are learned: what prompt learners train through.

The tower's mask is causal, and that saves most of the work without changing a value: what stands behind the end token
is cut off, the positions that all texts share (the start token and a context) are computed once for all of them, and in
the last block only the end tokens are.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint as recomputed

from aape_lightning.backbones.clip import ClipBackbone
from aape_lightning.backbones.protocol import Backbone
from aape_lightning.errors import PromptError, RecipeError

__all__ = ["EmbeddedTexts", "PromptedText", "with_context"]


class EmbeddedTexts(NamedTuple):
    """Texts as the text tower reads them, before positions are added. Letters: c texts, t positions, w width.

    Attributes:
        tokens: Word embeddings, cut behind the end token of the longest text.
        end: Position of each text's end token.
        shared: How many first positions hold the same in every text: the start token at least.
    """

    tokens: Float[Tensor, "c t w"]
    end: Int[Tensor, " c"]
    shared: int = 1


def with_context(texts: EmbeddedTexts, context: Float[Tensor, "*c m w"]) -> EmbeddedTexts:
    """The texts with their positions 1 to m replaced.

    Args:
        texts: The texts, with m tokens to be replaced behind the start token.
        context: One context for all texts (m, w), or one for each (c, m, w).
    """
    tokens, m = texts.tokens, context.shape[-2]
    replaced = torch.cat([tokens[:, :1], context.expand(len(tokens), -1, -1), tokens[:, m + 1 :]], dim=1)
    return EmbeddedTexts(replaced, texts.end, m + 1 if context.ndim == 2 else 1)


class PromptedText:
    """A frozen text tower that takes learned word embeddings, with gradients to them.

    Not a module: the tower stays the backbone's, so that whoever holds this registers, saves and trains nothing of it.
    It runs where the backbone is.

    Args:
        backbone: A backbone of OpenAI's architecture.

    Raises:
        RecipeError: If it is of another family.
    """

    def __init__(self, backbone: Backbone) -> None:
        if not isinstance(backbone, ClipBackbone):
            raise RecipeError(
                f"The text tower of backbone {backbone.name!r} takes no learned prompts: prompt learners need a CLIP "
                "of OpenAI's architecture. Use --data.backbone ViT-B/16, RN50, ... or a file in OpenAI's format."
            )
        self._backbone = backbone
        self._tower: Any = backbone.model

    @property
    def width(self) -> int:
        """Width w of the word embeddings (512 for ViT-B/16)."""
        return int(self._tower.positional_embedding.shape[1])

    @property
    def layers(self) -> int:
        """Number of the tower's blocks: the deepest that prompts can be."""
        return len(self._tower.transformer.resblocks)

    @torch.no_grad()
    def embed(self, texts: Sequence[str]) -> EmbeddedTexts:
        """The word embeddings of texts.

        Raises:
            PromptError: If a text is longer than the backbone's context.
        """
        try:
            tokens = self._backbone.tokenize(texts).to(self._tower.positional_embedding.device)
        except RuntimeError as error:
            raise PromptError(f"{error} Shorten the context (--model.context) or the class name.") from error
        end = tokens.argmax(dim=-1)  # the end token has the highest number of all
        return EmbeddedTexts(self._tower.token_embedding(tokens[:, : int(end.max()) + 1]), end)

    def embed_words(self, words: str) -> Float[Tensor, "m w"]:
        """The embeddings of words alone, without start and end."""
        texts = self.embed([words])
        return texts.tokens[0, 1 : int(texts.end[0])]

    def encode(
        self, texts: EmbeddedTexts, deep: Sequence[Float[Tensor, "m w"]] = (), *, checkpoint: bool = False
    ) -> Float[Tensor, "c d"]:
        """Unit-norm float32 embeddings of texts.

        Args:
            texts: The texts; without learned ones among their tokens the result is the backbone's `encode_text`.
            deep: `deep[i]` replaces positions 1 to m of the input of block i + 1, in every text.
            checkpoint: Compute the pass again in the backward pass instead of keeping it in memory.
        """
        tokens, p = texts.tokens, texts.shared
        if all(len(prompts) < p for prompts in deep):
            return self._encode(tokens[:1, :p], tokens[None, :, p:], texts.end[None], deep, checkpoint)[0]
        return self._encode(tokens, tokens[:, None, tokens.shape[1] :], texts.end[:, None], deep, checkpoint)[:, 0]

    def encode_each(
        self, texts: EmbeddedTexts, contexts: Float[Tensor, "b m w"], *, checkpoint: bool = False
    ) -> Float[Tensor, "b c d"]:
        """Unit-norm float32 embeddings of every text with every context, as `with_context` and `encode` give them.

        Args:
            texts: The texts.
            contexts: What replaces their positions 1 to m.
            checkpoint: Compute the pass again in the backward pass instead of keeping it in memory.
        """
        b, m, _ = contexts.shape
        prefix = torch.cat([texts.tokens[:1, :1].expand(b, -1, -1), contexts], dim=1)
        rest = texts.tokens[None, :, m + 1 :].expand(b, -1, -1, -1)
        return self._encode(prefix, rest, texts.end.expand(b, -1), (), checkpoint)

    def _encode(
        self,
        prefix: Float[Tensor, "g p w"],
        rest: Float[Tensor, "g c s w"],
        end: Int[Tensor, "g c"],
        deep: Sequence[Float[Tensor, "m w"]],
        checkpoint: bool,
    ) -> Float[Tensor, "g c d"]:
        if checkpoint:
            return recomputed(self._pass, prefix, rest, end, *deep, use_reentrant=False)
        return self._pass(prefix, rest, end, *deep)

    def _pass(
        self,
        prefix: Float[Tensor, "g p w"],
        rest: Float[Tensor, "g c s w"],
        end: Int[Tensor, "g c"],
        *deep: Float[Tensor, "m w"],
    ) -> Float[Tensor, "g c d"]:
        """The tower on g groups of c texts that share their first p positions; n = p + c s positions in a group."""
        tower, rows = self._tower, _Rows(prefix.shape[1], rest.shape[1], rest.shape[2])
        here, behind = tower.positional_embedding[: rows.length].split([rows.prefix, rows.rest])
        x = torch.cat([prefix + here, (rest + behind).flatten(1, 2)], dim=1)
        for number, block in enumerate(tower.transformer.resblocks):
            if 0 < number <= len(deep):
                x = _replaced(x, deep[number - 1])
            attended = _attention(block.attn, block.ln_1(x), rows)
            if number == self.layers - 1:
                x, attended = rows.at(end, x), rows.at(end, attended)
            x = x + block.attn.out_proj(attended)
            x = x + block.mlp(block.ln_2(x))
        features = tower.ln_final(x) @ tower.text_projection
        return F.normalize(cast(Tensor, features).float(), dim=-1)


class _Rows(NamedTuple):
    """Where a group's texts lie in its n rows: the shared prefix first, then the rest of each text."""

    prefix: int
    texts: int
    rest: int

    @property
    def length(self) -> int:
        """Positions of a whole text."""
        return self.prefix + self.rest

    def whole(self, x: Float[Tensor, "g n k"]) -> Float[Tensor, "gc t k"]:
        """Every text with its prefix."""
        prefix, rest = x[:, None, : self.prefix], x[:, self.prefix :].unflatten(1, (self.texts, self.rest))
        return torch.cat([prefix.expand(-1, self.texts, -1, -1), rest], dim=2).flatten(0, 1)

    def flat(self, whole: Float[Tensor, "gc t k"]) -> Float[Tensor, "g n k"]:
        """The rows of texts, the shared ones once."""
        grouped = whole.unflatten(0, (-1, self.texts))
        return torch.cat([grouped[:, 0, : self.prefix], grouped[:, :, self.prefix :].flatten(1, 2)], dim=1)

    def at(self, position: Int[Tensor, "g c"], x: Float[Tensor, "g n k"]) -> Float[Tensor, "g c k"]:
        """The rows at a position of each text."""
        offset = torch.arange(self.texts, device=x.device) * self.rest
        row = torch.where(position < self.prefix, position, position + offset)
        return x.gather(1, row[:, :, None].expand(-1, -1, x.shape[-1]))


def _replaced(x: Float[Tensor, "g n w"], prompts: Float[Tensor, "m w"]) -> Float[Tensor, "g n w"]:
    """The rows with 1 to m replaced, in every group."""
    return torch.cat([x[:, :1], prompts.to(x.dtype).expand(len(x), -1, -1), x[:, len(prompts) + 1 :]], dim=1)


def _attention(attn: Any, x: Float[Tensor, "g n w"], rows: _Rows) -> Float[Tensor, "g n w"]:  # noqa: ANN401 - clip has no types
    """Causal self-attention in each text, as `torch.nn.MultiheadAttention` before its output layer."""
    qkv = rows.whole(F.linear(x, attn.in_proj_weight, attn.in_proj_bias))
    query, key, value = qkv.unflatten(-1, (3, attn.num_heads, -1)).permute(2, 0, 3, 1, 4)
    heads = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    return rows.flat(heads.transpose(1, 2).flatten(-2))
