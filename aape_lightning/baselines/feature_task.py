"""What the methods over image embeddings share: the backbone is learned from the DataModule, recorded, and held to."""

from abc import abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from aape_lightning.backbones import Backbone, BackboneSpec
from aape_lightning.batch import ClassificationBatch, require
from aape_lightning.errors import BatchError, CheckpointError, RecipeError
from aape_lightning.tasks.building import built_from, drawn_seed
from aape_lightning.tasks.evaluation import ClassifierEvaluation
from aape_lightning.tasks.means import EpochMeans
from aape_lightning.tasks.records import record_run, refuse_another_backbone, refuse_other_epochs

__all__ = ["FeatureTask"]


class FeatureTask(ClassifierEvaluation):
    """A classifier of image embeddings; subclasses save their hyper-parameters and give `build` and `forward`.

    The backbone's plain description arrives with the DataModule at the first fit and is saved as the hyper-parameter
    `backbone_spec`, so that a checkpoint loads without a DataModule and is refused on another backbone.
    """

    recorded: tuple[str, ...] = ("backbone_spec",)  # hyper-parameters that the first fit fills in, and users do not

    def __init__(self) -> None:
        super().__init__()
        self.means = EpochMeans()
        self._build_seed = drawn_seed()

    @abstractmethod
    def build(self, spec: BackboneSpec) -> None:
        """Build what is trained, at a backbone's width."""

    def build_if_known(self) -> None:
        """Build at once where the backbone is known: when a checkpoint is loaded.

        Weights start from a seed that was drawn with the task: what the DataModule draws from the global generator
        until then depends on which caches exist, and must not reach them.
        """
        if self.hparams["backbone_spec"] is not None:
            self.logit_scale: float = self.hparams["backbone_spec"]["logit_scale"]
            with built_from(self._build_seed):
                self.build(self.hparams["backbone_spec"])

    # ---- the DataModule ------------------------------------------------------------------------------------------

    @property
    def data(self) -> Any:  # noqa: ANN401 - Lightning types it as a DataModule that knows no backbone
        """The Trainer's DataModule.

        Raises:
            BatchError: If there is none.
        """
        found = getattr(self.trainer, "datamodule", None)
        if getattr(found, "backbone", None) is None:
            raise BatchError(
                f"{type(self).__name__} learns backbone and classes from its DataModule, and there is none. Pass one: "
                "Trainer.fit(task, datamodule=ClassificationDataModule(...))."
            )
        return found

    def setup(self, stage: str) -> None:
        """Learn the backbone in the first fit; check afterwards that it is the one trained on.

        Raises:
            BatchError: If there is no DataModule.
            BackboneMismatchError: If the DataModule uses another backbone than the one trained on.
            RecipeError: If the number of epochs to train is not set.
        """
        backbone: Backbone = self.data.backbone
        if stage == "fit" and (self.trainer.max_epochs or 0) < 0:
            raise RecipeError(
                f"trainer.max_epochs is {self.trainer.max_epochs}: {type(self).__name__} is trained for a number of "
                "epochs, so set --trainer.max_epochs (and not --trainer.max_steps alone)."
            )
        if self.hparams["backbone_spec"] is not None:
            refuse_another_backbone(self.hparams["backbone_spec"], backbone.spec)
        elif stage == "fit":
            self.learn(self.data)

    def learn(self, data: Any) -> None:  # noqa: ANN401 - as `data`
        """Record what the first fit is made on, and build."""
        self.hparams["backbone_spec"] = dict(data.backbone.spec)
        self.build_if_known()

    # ---- classifying and training --------------------------------------------------------------------------------

    def cosine_logits(
        self, image_embedding: Float[Tensor, "b d"], class_embeddings: Float[Tensor, "c d"]
    ) -> Float[Tensor, "b c"]:
        """Cosines times 1 / tau of unit-norm embeddings, in float32 in any precision: in bfloat16 classes would tie."""
        with torch.autocast(self.device.type, enabled=False):
            return self.logit_scale * image_embedding.float() @ class_embeddings.float().T

    def training_step(self, batch: ClassificationBatch, batch_idx: int) -> Float[Tensor, ""] | None:
        """Cross-entropy of one batch."""
        require(batch, "image_embedding", "class_embeddings", "label")
        logits = self(batch["image_embedding"], batch["class_embeddings"])
        loss = F.cross_entropy(logits.float(), batch["label"])
        self.means.update({"loss": loss}, len(batch["label"]))
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the mean of the epoch's loss, once an epoch: no step waits for the device."""
        for name, value in self.means.compute().items():
            self.log(f"train/{name}", value, prog_bar=name == "loss", sync_dist=True)

    # ---- checkpoints ---------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Record the number of epochs, on which the schedule depends, and the class, as the command line would."""
        record_run(self, checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over what the checkpoint's training recorded, and build.

        Raises:
            CheckpointError: If nothing was trained, or a run is resumed for another number of epochs.
            BackboneMismatchError: If it was trained on another backbone than this task's or the data's.
        """
        if self._trainer is not None and self._trainer.training:
            refuse_other_epochs(checkpoint, self._trainer.max_epochs)
        recorded = checkpoint.get("hyper_parameters", {}).get("backbone_spec")
        if recorded is None:
            raise CheckpointError(
                f"The checkpoint holds no training of {type(self).__name__}; use the last.ckpt that its fit has left."
            )
        if self.hparams["backbone_spec"] is None:
            for name in self.recorded:
                self.hparams[name] = checkpoint["hyper_parameters"][name]
            self.build_if_known()
        refuse_another_backbone(recorded, self.hparams["backbone_spec"])
        if self._trainer is not None:
            refuse_another_backbone(recorded, self.data.backbone.spec)
