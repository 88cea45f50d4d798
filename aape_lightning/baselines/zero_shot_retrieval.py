"""Zero-shot CLIP retrieval: the image embedding itself is the query. Nothing is trained."""

from jaxtyping import Float
from torch import Tensor

from aape_lightning.tasks.ranking import RetrievalEvaluation

__all__ = ["ZeroShotRetrievalTask"]


class ZeroShotRetrievalTask(RetrievalEvaluation):
    """Ranks by cos(x, caption)."""

    training_free = True

    def forward(self, image_embedding: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """The image embeddings."""
        return image_embedding
