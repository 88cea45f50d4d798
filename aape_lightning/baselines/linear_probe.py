"""Linear probe: logistic regression on image embeddings (CLIP's evaluation, with CoOp's few-shot search)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.optim import Optimizer

from aape_lightning.backbones import BackboneSpec
from aape_lightning.baselines.class_bound import ClassBoundTask
from aape_lightning.baselines.logistic import logistic_regression, searched_inverse_penalty
from aape_lightning.batch import ClassificationBatch
from aape_lightning.errors import RecipeError

__all__ = ["LinearProbeTask"]

_WITHOUT_VALIDATION = 0.316  # of the example in openai/CLIP's README


class LinearProbeTask(ClassBoundTask):
    """Logistic regression on the training embeddings, solved in one piece: one epoch, no optimizer step.

    Sources: lpclip in KaiyangZhou/CoOp and the linear-probe example of openai/CLIP. They leave the embeddings at their
    own length; ours have unit norm, as everywhere in this project, which rescales C.

    Args:
        inverse_penalty: C, the inverse strength of the L2 penalty. Where not given it is searched on the validation
            images as lpclip does, and is CLIP's example's 0.316 for data without validation images.
        backbone_spec: The backbone trained on; recorded by the first fit, not for users to set.
        class_names: The classes trained on; recorded likewise.

    Raises:
        RecipeError: If `inverse_penalty` is not above 0.
    """

    def __init__(
        self,
        *,
        inverse_penalty: float | None = None,
        backbone_spec: dict[str, str | int | float] | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        if inverse_penalty is not None and not inverse_penalty > 0:
            raise RecipeError(f"inverse_penalty is {inverse_penalty}; it must be above 0 (--model.inverse_penalty).")
        self.build_if_known()

    def build(self, spec: BackboneSpec) -> None:
        """Build the weights, at zero."""
        self.probe = nn.Linear(spec["embed_dim"], len(self.hparams["class_names"]))
        nn.init.zeros_(self.probe.weight)
        nn.init.zeros_(self.probe.bias)

    def forward(
        self, image_embedding: Float[Tensor, "b d"], class_embeddings: Float[Tensor, "c d"]
    ) -> Float[Tensor, "b c"]:
        """Logits of unit-norm image embeddings; the class embeddings are not used."""
        return self.of_classes(self.probe(image_embedding.to(self.probe.weight.dtype)))

    def on_train_start(self) -> None:
        """Solve, from the DataModule's stored embeddings."""
        features, labels = self.data.training_features()
        features, labels = features.flatten(0, 1), labels.repeat_interleave(features.shape[1])
        self.inverse_penalty = self.hparams["inverse_penalty"] or self._searched(features, labels)
        solved = logistic_regression(features, labels, self.probe.out_features, self.inverse_penalty)
        with torch.no_grad():
            self.probe.weight.copy_(solved.weight)
            self.probe.bias.copy_(solved.bias)

    def _searched(self, features: Float[Tensor, "m d"], labels: Int[Tensor, " m"]) -> float:
        validation = self.data.validation_features()
        if validation is None:
            return _WITHOUT_VALIDATION
        held_out, held_out_labels = validation

        def accuracy(inverse_penalty: float) -> float:
            solved = logistic_regression(features, labels, self.probe.out_features, inverse_penalty)
            return float((solved.logits(held_out).argmax(1) == held_out_labels).float().mean())

        return searched_inverse_penalty(accuracy)

    def training_step(self, batch: ClassificationBatch, batch_idx: int) -> None:
        """Nothing: the weights are solved for when the training starts."""

    def on_train_epoch_end(self) -> None:
        """Log C."""
        self.log("train/inverse_penalty", self.inverse_penalty)

    def configure_optimizers(self) -> list[Optimizer]:
        """None."""
        return []
