"""How a frozen language model writes behind what it has read: greedy, by beams, or sampled from the nucleus."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from aape_lightning.errors import LanguageModelError, RecipeError, did_you_mean
from aape_lightning.language.model import LanguageModel
from aape_lightning.language.segments import EmbeddedSegments

__all__ = ["Decoding", "generate"]

METHODS = ("greedy", "beam", "nucleus")


@dataclass(frozen=True)
class Decoding:
    """How tokens are chosen.

    Attributes:
        method: `greedy` takes the likeliest token each time, `beam` the likeliest text among some, `nucleus` draws from
            the likeliest tokens that together have a probability of `top_p`.
        beams: Texts that `beam` keeps at once; ClipCap's five.
        top_p: Probability of the nucleus, in (0, 1]; LiMBeR's.
        temperature: What `nucleus` divides the scores by, above 0; LiMBeR's.
        seed: Seed of what `nucleus` draws, set anew for each batch.
        max_new_tokens: The most tokens that are written, the end token among them.

    Raises:
        RecipeError: If a value is not among the legal ones.
    """

    method: str = "greedy"
    beams: int = 5
    top_p: float = 0.9
    temperature: float = 0.7
    seed: int = 0
    max_new_tokens: int = 40

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        self._require("method", self.method in METHODS, f"one of {', '.join(METHODS)}")
        self._require("beams", self.beams >= 1, "1 or more")
        self._require("top_p", 0 < self.top_p <= 1, "above 0 and at most 1")
        self._require("temperature", self.temperature > 0, "above 0")
        self._require("max_new_tokens", self.max_new_tokens >= 1, "1 or more")

    def _require(self, name: str, is_legal: bool, legal: str) -> None:
        if not is_legal:
            raise RecipeError(f"decoding's {name} is {getattr(self, name)!r}; it must be {legal}.")

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None) -> "Decoding":
        """The decoding of a recipe's settings; what they leave out is the default.

        Args:
            settings: Values by the names of the attributes.

        Raises:
            RecipeError: If a name is unknown, or a value of another type or not among the legal ones.
        """
        chosen = asdict(cls())
        for name, value in (settings or {}).items():
            if name not in chosen:
                raise RecipeError(f"decoding has no {name!r}; it has {', '.join(chosen)}.{did_you_mean(name, chosen)}")
            kind = type(chosen[name])
            if not isinstance(value, int | float if kind is float else kind):
                raise RecipeError(f"decoding's {name} is {value!r}; it must be a value such as {chosen[name]!r}.")
            chosen[name] = kind(value)
        return cls(**chosen)

    def settings(self) -> dict[str, Any]:
        """The same in the words of transformers' `generate`."""
        chosen: dict[str, Any] = {"max_new_tokens": self.max_new_tokens, "do_sample": self.method == "nucleus"}
        match self.method:
            case "beam":
                chosen |= {"num_beams": self.beams}
            case "nucleus":
                # transformers would cut the nucleus to the 50 likeliest tokens.
                chosen |= {"top_p": self.top_p, "temperature": self.temperature, "top_k": 0}
        return chosen


def generate(language: LanguageModel, batch: EmbeddedSegments, decoding: Decoding) -> list[str]:
    """What the language model writes behind each row, up to the end token, without spaces at its ends.

    Args:
        language: The language model.
        batch: Rows that are padded on the left.
        decoding: How tokens are chosen.

    Raises:
        LanguageModelError: If rows and what is to be written are longer together than the model's context.
        ValueError: If the rows are padded on the right.
    """
    length, device = batch.embeddings.shape[1], batch.embeddings.device
    if not batch.attention_mask[:, -1].all():
        raise ValueError("Rows of different lengths must be padded on the left: embed_segments(..., side='left').")
    if length + decoding.max_new_tokens > language.context:
        raise LanguageModelError(
            f"A row of {length} tokens and {decoding.max_new_tokens} new ones are more than the {language.context} "
            f"that language model {language.name!r} takes at once. Show fewer examples, or lower decoding's "
            "max_new_tokens."
        )
    model: Any = language.model
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(decoding.seed)
        tokens = model.generate(
            inputs_embeds=batch.embeddings,
            attention_mask=batch.attention_mask,
            **decoding.settings(),
        )
    texts = language.tokenizer.batch_decode(tokens, skip_special_tokens=True)
    return [text.strip() for text in texts]
