"""The losses of the paper's section 3, on unit-norm embeddings."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from aape_lightning.modules.gathering import gather_rows, own_rows
from aape_lightning.modules.precision import without_autocast

__all__ = ["REWARD_SCALE", "clip_reward", "contrastive_loss", "distillation_loss"]

REWARD_SCALE = 2.5  # CLIPScore's own w; the paper leaves s open


def clip_reward(
    image_embedding: Float[Tensor, "b d"], summary: Float[Tensor, "b d"], scale: float = REWARD_SCALE
) -> Float[Tensor, ""]:
    """The CLIP reward s max(cos(x, p^a), 0), averaged over the batch; the aggregator maximises it."""
    return scale * F.cosine_similarity(image_embedding, summary).clamp_min(0).mean()


def distillation_loss(aape: Float[Tensor, "b d"], summary: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
    """L_distill = ||h(x) - p^a||^2 (Eq. 2), summed over d, averaged over the batch; p^a is a constant."""
    return (aape - summary.detach()).square().sum(-1).mean()


def contrastive_loss(
    queries: Float[Tensor, "b d"], captions: Float[Tensor, "b d"], logit_scale: float | Float[Tensor, ""]
) -> Float[Tensor, ""]:
    """CLIP's loss, symmetric InfoNCE: each query among all captions of the batch, and each caption among all queries.

    The batch is that of all processes. Each of them returns the mean over its own rows, with gradients to the rows of
    the others: what DDP averages is the gradient of one process's loss on the same rows. All processes call it, each
    with as many rows.

    Args:
        queries: Unit-norm queries.
        captions: Unit-norm captions; row i belongs to query i alone.
        logit_scale: 1 / tau.
    """
    with without_autocast(queries):  # at CLIP's scale of 100 bfloat16 is off by a quarter
        queries, captions = queries.float(), captions.float()
        all_queries, all_captions = gather_rows(queries), gather_rows(captions)
        to_captions = logit_scale * queries @ all_captions.T
        alone = all_queries is queries
        to_queries = to_captions.T if alone else logit_scale * captions @ all_queries.T
    own = own_rows(queries)
    return (F.cross_entropy(to_captions, own) + F.cross_entropy(to_queries, own)) / 2
