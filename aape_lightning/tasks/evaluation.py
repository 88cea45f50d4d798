"""How every classifier is evaluated: accuracy over the DataModule's classes, each image counted once."""

from typing import TypedDict, cast

import torch
from jaxtyping import Float, Int
from lightning.pytorch import LightningModule
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from aape_lightning.batch import ClassificationBatch, require
from aape_lightning.errors import BatchError
from aape_lightning.metrics import ClassifierOutcomes, Outcomes, calibration_error

__all__ = ["ClassifierEvaluation", "Predictions"]


class Predictions(TypedDict):
    """What `predict_step` returns.

    Attributes:
        index: Position of each image in the test part.
        probabilities: Of every class.
    """

    index: Int[Tensor, " b"]
    probabilities: Float[Tensor, "b c"]


class ClassifierEvaluation(LightningModule):
    """Validation, test and prediction for a module whose `forward` maps images and classes to logits.

    A module that needs something else of a batch overrides `batch_logits` instead.

    Logs `val/` and `test/`: `accuracy` (the fraction of images, as CoOp's tables) and `mean_class_accuracy`. A test
    also logs `test/cross_entropy` (in nats) and `test/calibration_error` (expected, l1, 15 bins: a fraction).

    Attributes:
        outcomes: What became of the images of the last test; None before the first.
    """

    outcomes: Outcomes | None = None

    def on_validation_start(self) -> None:
        """Count over the DataModule's classes.

        Raises:
            BatchError: If there is no DataModule.
        """
        self.validation_metrics = self._metrics("val/")

    def on_test_start(self) -> None:
        """Count over the DataModule's classes.

        Raises:
            BatchError: If there is no DataModule.
        """
        self.test_metrics = self._metrics("test/")
        self.test_outcomes = ClassifierOutcomes(self._class_count()).to(self.device)

    def _class_count(self) -> int:
        names = getattr(getattr(self.trainer, "datamodule", None), "class_names", None)
        if names is None:
            raise BatchError(
                f"{type(self).__name__} learns the classes from its DataModule, and there is none. Pass one: "
                "Trainer.test(task, datamodule=ClassificationDataModule(...))."
            )
        return len(names)

    def _metrics(self, prefix: str) -> MetricCollection:
        classes = self._class_count()
        # What torchmetrics would validate holds by construction, and looking makes every batch wait for the device.
        metrics = {
            "accuracy": MulticlassAccuracy(classes, average="micro", validate_args=False),
            "mean_class_accuracy": MulticlassAccuracy(classes, average="macro", validate_args=False),
        }
        return MetricCollection(metrics, prefix=prefix).to(self.device)  # type: ignore[arg-type]

    def batch_logits(self, batch: ClassificationBatch) -> Float[Tensor, "b c"]:
        """Logits of a batch's images, for validation, test and prediction.

        A method that reads something else of the batch, such as the images themselves, overrides this.
        """
        require(batch, "image_embedding", "class_embeddings")
        return cast(Tensor, self(batch["image_embedding"], batch["class_embeddings"]))

    def validation_step(self, batch: ClassificationBatch, batch_idx: int) -> None:
        """Count one batch."""
        predicted = self.batch_logits(batch).argmax(dim=1)
        self.validation_metrics.update(predicted, require(batch, "label")["label"])

    def test_step(self, batch: ClassificationBatch, batch_idx: int) -> None:
        """Count one batch."""
        logits = self.batch_logits(batch)
        # Given logits, each metric would look for the largest of every row on its own.
        predicted, label = logits.argmax(dim=1), require(batch, "label")["label"]
        self.test_metrics.update(predicted, label)
        self.test_outcomes.update(logits, predicted, label)

    def on_validation_epoch_end(self) -> None:
        """Log, over all processes."""
        self.log_dict(self.validation_metrics.compute(), prog_bar=True)

    def on_test_epoch_end(self) -> None:
        """Log, over all processes."""
        outcomes = self.outcomes = self.test_outcomes.outcomes()
        self.log_dict(self.test_metrics.compute())
        self.log("test/cross_entropy", outcomes.cross_entropy)
        self.log("test/calibration_error", calibration_error(outcomes.reliability))

    def predict_step(self, batch: ClassificationBatch, batch_idx: int) -> Predictions:
        """Class probabilities of one batch."""
        logits = self.batch_logits(batch)
        return {"index": batch["index"], "probabilities": torch.softmax(logits.float(), dim=-1)}
