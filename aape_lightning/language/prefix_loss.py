"""The loss by which a soft prefix is trained through a frozen language model."""

from jaxtyping import Float
from torch import Tensor

from aape_lightning.language.loss import IGNORED, next_token_loss
from aape_lightning.language.model import LanguageModel
from aape_lightning.language.segments import EmbeddedSegments

__all__ = ["prefix_loss"]


def prefix_loss(language: LanguageModel, batch: EmbeddedSegments) -> Float[Tensor, ""]:
    """Mean cross-entropy, in nats and float32, of the targets' tokens, the end token of each among them.

    Args:
        language: The language model; the gradient goes through it to the soft prefixes, and it gets none.
        batch: Rows with targets.

    Raises:
        ValueError: If the rows have no targets.
    """
    if batch.labels is None:
        raise ValueError("These rows were embedded without targets; pass them to embed_segments.")
    # The vocabulary is wide and the soft prefix long: only scores from the first target on are computed.
    scored = batch.labels.shape[1] - batch.targets_from + 1
    labels = batch.labels[:, -scored:]
    logits = language.model(
        inputs_embeds=batch.embeddings,
        attention_mask=batch.attention_mask,
        use_cache=False,
        logits_to_keep=scored,
    ).logits
    return next_token_loss(logits, labels, labels != IGNORED)
