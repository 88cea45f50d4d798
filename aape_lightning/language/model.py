"""What a loaded language model is: frozen weights and the tokeniser that belongs to them."""

from dataclasses import dataclass
from typing import Any

from torch import nn

__all__ = ["LanguageModel"]


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A frozen causal language model of transformers.

    Attributes:
        name: The name under which it was asked for.
        fingerprint: Hash of its weights, in the dtype that they were loaded in, and of its tokeniser.
        model: The `AutoModelForCausalLM`, in evaluation mode, without gradients.
        tokenizer: Its tokeniser, which pads on the right. Where it has no padding token of its own, the end token
            stands in, so padding is known by the attention mask alone and never by a token's number.
        width: Width of its input embeddings: what a soft token must have.
        context: The most tokens that it takes at once, soft tokens included.
    """

    name: str
    fingerprint: str
    model: nn.Module
    tokenizer: Any
    width: int
    context: int
