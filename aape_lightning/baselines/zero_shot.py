"""Zero-shot CLIP: the image embedding against the class embeddings. Nothing is trained.

What the class embeddings are made of is the DataModule's `class_text`: a template (zero-shot CLIP), the manifest's
templates (ensemble), or the sentences (prompt-mean, CuPL's rule).
"""

from jaxtyping import Float
from torch import Tensor

from aape_lightning.errors import BatchError
from aape_lightning.tasks.evaluation import ClassifierEvaluation

__all__ = ["ZeroShotTask"]


class ZeroShotTask(ClassifierEvaluation):
    """Classifies by cos(x, w_c) / tau."""

    training_free = True

    def setup(self, stage: str) -> None:
        """Take tau from the DataModule's backbone.

        Raises:
            BatchError: If there is no DataModule.
        """
        backbone = getattr(getattr(self.trainer, "datamodule", None), "backbone", None)
        if backbone is None:
            raise BatchError(
                "ZeroShotTask takes the temperature from its DataModule, and there is none. Pass one: "
                "Trainer.test(task, datamodule=ClassificationDataModule(...))."
            )
        self.logit_scale: float = backbone.logit_scale

    def forward(
        self, image_embedding: Float[Tensor, "b d"], class_embeddings: Float[Tensor, "c d"]
    ) -> Float[Tensor, "b c"]:
        """Logits of unit-norm image embeddings over any list of classes."""
        return self.logit_scale * image_embedding @ class_embeddings.T
