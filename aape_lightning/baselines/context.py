"""A context ahead of the class name, the same for all classes: what CoOp and its successors learn."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aape_lightning.backbones import Backbone, BackboneSpec
from aape_lightning.backbones.prompted_text import with_context
from aape_lightning.baselines.prompt_learner import PromptLearnerTask
from aape_lightning.errors import RecipeError

__all__ = ["ContextTask"]

_STD = 0.02


class ContextTask(PromptLearnerTask):
    """Learns v_1 ... v_M of the prompt "v_1 ... v_M NAME.", with the class's name at the end.

    The hyper-parameter read here, beside those of `PromptLearnerTask`, is `context`: the words that the context starts
    from, or the number M of vectors drawn with deviation 0.02.
    """

    context: nn.Parameter

    def build_if_known(self) -> None:
        """Build the context as soon as the backbone is known.

        Raises:
            RecipeError: If a hyper-parameter is out of range.
        """
        _check_context(self.hparams["context"])
        super().build_if_known()

    def measure(self, backbone: Backbone) -> dict[str, int]:
        """Number and width of the context vectors."""
        given = self.hparams["context"]
        length = given if isinstance(given, int) else len(self.text.embed_words(given))
        return {"context": length, "width": self.text.width}

    def build(self, spec: BackboneSpec, sizes: dict[str, int]) -> None:
        """Draw the context."""
        self.context = nn.Parameter(torch.randn(sizes["context"], sizes["width"]) * _STD)

    def start(self, backbone: Backbone) -> None:
        """Start from the context's words, where there are any."""
        if isinstance(words := self.hparams["context"], str):
            self.context.data.copy_(self.text.embed_words(words))

    def template(self) -> str:
        """The context's words, or as many words to be replaced, and the class's name."""
        given = self.hparams["context"]
        return f"{given} {{}}." if isinstance(given, str) else "X " * given + "{}."

    def class_features(self) -> Float[Tensor, "c d"]:
        """w_c of the learned context."""
        return self.text.encode(with_context(self.texts, self.context))


def _check_context(context: int | str) -> None:
    if (isinstance(context, int) and context < 1) or (isinstance(context, str) and not context.strip()):
        raise RecipeError(
            f"context is {context!r}; it must be words such as 'a photo of a', or how many vectors to draw, at least 1 "
            "(--model.context)."
        )
