"""What a loaded language model is: frozen weights and the tokeniser that belongs to them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from aape_lightning.backbones.fingerprints import PROBES, fingerprint

__all__ = ["LanguageModel"]

# What changes a model's numbers and is not to be seen in its weights.
_ARCHITECTURE = ("model_type", "num_attention_heads", "hidden_act", "activation_function", "layer_norm_epsilon")


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A frozen causal language model of transformers.

    Attributes:
        name: The name under which it was asked for.
        model: The `AutoModelForCausalLM`, in evaluation mode, without gradients.
        tokenizer: Its tokeniser, which pads on the right. Where it has no padding token of its own, the end token
            stands in, so padding is known by the attention mask alone and never by a token's number.
        width: Width of its input embeddings: what a soft token must have.
        context: The most tokens that it takes at once, soft tokens included.
    """

    name: str
    model: nn.Module
    tokenizer: Any
    width: int
    context: int

    @cached_property
    def fingerprint(self) -> str:
        """Hash of its weights, in the dtype that they were loaded in, and of its tokeniser."""
        settings = {key: getattr(self.model.config, key, None) for key in _ARCHITECTURE}
        # `verbose` is the tokeniser's own switch for its warning about texts beyond the context.
        tokens = self.tokenizer(list(PROBES), verbose=False).input_ids
        return fingerprint(self.model.state_dict(), settings | {"tokens": tokens})
