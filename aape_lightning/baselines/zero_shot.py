"""Zero-shot CLIP: the image embedding against the class embeddings. Nothing is trained.

What the class embeddings are made of is the DataModule's `class_text`: a template (zero-shot CLIP), the manifest's
templates (ensemble), or the sentences (prompt-mean, CuPL's rule).
"""

from jaxtyping import Float
from torch import Tensor

from aape_lightning.tasks.evaluation import ClassifierEvaluation

__all__ = ["ZeroShotTask"]


class ZeroShotTask(ClassifierEvaluation):
    """Classifies by cos(x, w_c) / tau."""

    training_free = True

    def setup(self, stage: str) -> None:
        """Take tau from the DataModule's backbone."""
        self.logit_scale: float = self.trainer.datamodule.backbone.logit_scale  # type: ignore[attr-defined]

    def forward(
        self, image_embedding: Float[Tensor, "b d"], class_embeddings: Float[Tensor, "c d"]
    ) -> Float[Tensor, "b c"]:
        """Logits of unit-norm image embeddings over any list of classes."""
        return self.logit_scale * image_embedding @ class_embeddings.T
