"""KgCoOp: CoOp held close to the hand-crafted prompts (Yao et al., CVPR 2023)."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from aape_lightning.baselines.context import ContextTask
from aape_lightning.baselines.hand_crafted import hand_crafted_templates
from aape_lightning.batch import ClassificationBatch, require
from aape_lightning.errors import RecipeError

__all__ = ["KgCoOpTask"]


class KgCoOpTask(ContextTask):
    r"""CoOp with a penalty on the distance of the learned class embeddings from those of hand-crafted prompts.

    .. math:: L = \mathrm{CE} + \lambda \, (1 - \mathrm{mean}_c \cos(w_c, w_c^\mathrm{clip}))

    The paper writes the distance as a squared Euclidean one, which is twice this; this is the authors' code
    (htyao89/KgCoOp), whose lambda is 8. The hand-crafted prompts are those of `hand_crafted_templates`.

    Args:
        context: The words that the context starts from, or the number M of vectors drawn with deviation 0.02.
        knowledge_weight: lambda; 0 is CoOp.
        lr: The highest learning rate of `coop_learning_rate`.
        weight_decay: SGD's.
        backbone_spec: The backbone trained on; recorded by the first fit, not for users to set.
        sizes: Width and number of the context vectors; recorded by the first fit, not for users to set.
    """

    def __init__(
        self,
        *,
        context: int | str = "a photo of a",
        knowledge_weight: float = 8.0,
        lr: float = 2e-3,
        weight_decay: float = 5e-4,
        backbone_spec: dict[str, str | int | float] | None = None,
        sizes: dict[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        if not 0 <= knowledge_weight < float("inf"):
            raise RecipeError(
                f"knowledge_weight is {knowledge_weight}; it must be 0 or more (--model.knowledge_weight)."
            )
        self.build_if_known()

    def prepare(self) -> None:
        """Embed the classes by the hand-crafted prompts."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        self.hand_crafted: Tensor = data.embed_class_names(hand_crafted_templates(data.manifest))

    def terms(self, batch: ClassificationBatch) -> dict[str, Float[Tensor, ""]]:
        """Cross-entropy, and the weighted distance from the hand-crafted prompts."""
        require(batch, "image_embedding")
        features = self.class_features()
        logits = self.logits(batch["image_embedding"], features)
        distance = 1 - (features * self.hand_crafted).sum(dim=-1).mean()
        return {
            "cross_entropy": F.cross_entropy(logits, batch["label"]),
            "knowledge": self.hparams["knowledge_weight"] * distance,
        }
