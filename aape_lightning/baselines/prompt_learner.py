"""What prompt learners share: learned word embeddings ahead of a frozen CLIP, and the CoOp family's optimization."""

from abc import abstractmethod
from typing import Any, cast

import torch
from jaxtyping import Float
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn import functional as F

from aape_lightning.backbones import Backbone, BackboneSpec
from aape_lightning.backbones.prompted_text import EmbeddedTexts, PromptedText
from aape_lightning.batch import ClassificationBatch, require
from aape_lightning.errors import BatchError, RecipeError
from aape_lightning.tasks.building import built_from, drawn_seed
from aape_lightning.tasks.evaluation import ClassifierEvaluation
from aape_lightning.tasks.means import EpochMeans
from aape_lightning.tasks.records import record_run, refuse_another_backbone, refuse_other_epochs
from aape_lightning.tasks.schedules import sgd_by_epoch

__all__ = ["PromptLearnerTask"]


class PromptLearnerTask(ClassifierEvaluation):
    """A classifier whose class embeddings come from learned prompts through the frozen text tower.

    Trained by SGD with momentum 0.9 and weight decay, which decays the prompts too, along `coop_learning_rate`. The
    classes are those of the DataModule: no trained tensor has a class-count-sized axis, and one checkpoint serves any
    class list. The towers are the DataModule's and are neither registered nor saved.

    Subclasses save their hyper-parameters, call `build_if_known`, and give `measure`, `build`, `template` and
    `class_features`; `start`, `prepare`, `terms`, `loss` and `forward` are there to be overridden. The hyper-parameters
    read here: `lr`, `weight_decay`, `backbone_spec`, `sizes` (the last two are recorded by the first fit).
    """

    text: PromptedText
    texts: EmbeddedTexts

    def __init__(self) -> None:
        super().__init__()
        self.means = EpochMeans()
        self._features: Tensor | None = None
        self._build_seed = drawn_seed()

    # ---- what subclasses give ------------------------------------------------------------------------------------

    @abstractmethod
    def measure(self, backbone: Backbone) -> dict[str, int]:
        """The sizes that `build` needs and the backbone's spec does not hold; `self.text` is there already."""

    @abstractmethod
    def build(self, spec: BackboneSpec, sizes: dict[str, int]) -> None:
        """Make the trained parameters, at random."""

    def start(self, backbone: Backbone) -> None:
        """Give the parameters their first values where the backbone's words decide them."""

    @abstractmethod
    def template(self) -> str:
        """The text of a class, with `{}` for its name."""

    def prepare(self) -> None:
        """Compute from the DataModule what training needs beside its batches; runs before each fit."""

    @abstractmethod
    def class_features(self) -> Float[Tensor, "c d"]:
        """Unit-norm class embeddings of the learned prompts."""

    def terms(self, batch: ClassificationBatch) -> dict[str, Float[Tensor, ""]]:
        """The terms of the loss by name, weighted: their sum is minimised."""
        return {"cross_entropy": F.cross_entropy(self.batch_logits(batch), batch["label"])}

    # ---- building ------------------------------------------------------------------------------------------------

    def build_if_known(self) -> None:
        """Build the parameters as soon as the backbone is known: at once when a checkpoint is loaded.

        They start from a seed that was drawn with the task: what the DataModule draws from the global generator until
        then depends on which caches exist, and must not reach them.

        Raises:
            RecipeError: If the learning rate or the weight decay is out of range.
        """
        for name, least in (("lr", "above 0"), ("weight_decay", "0 or more")):
            value = self.hparams[name]
            if not (0 < value < float("inf") or (value == 0 and name == "weight_decay")):
                raise RecipeError(f"{name} is {value}; it must be {least} (--model.{name}).")
        if self.hparams["backbone_spec"] is not None:
            with built_from(self._build_seed):
                self.build(self.hparams["backbone_spec"], self.hparams["sizes"])
            self.logit_scale: float = self.hparams["backbone_spec"]["logit_scale"]

    def setup(self, stage: str) -> None:
        """Take backbone and class names from the DataModule, or check that the backbone is the one trained on.

        Raises:
            BatchError: If there is no DataModule.
            BackboneMismatchError: If the DataModule uses another backbone.
            RecipeError: If the backbone is not of OpenAI's architecture.
        """
        data: Any = getattr(self.trainer, "datamodule", None)
        if getattr(data, "backbone", None) is None:
            raise BatchError(
                f"{type(self).__name__} takes the text tower from its DataModule, and there is none. Pass one: "
                "Trainer.fit(task, datamodule=ClassificationDataModule(...))."
            )
        backbone: Backbone = data.backbone.to(self.trainer.strategy.root_device)
        self.text = PromptedText(backbone)
        if self.hparams["backbone_spec"] is None:
            self.hparams["backbone_spec"] = dict(backbone.spec)
            self.hparams["sizes"] = self.measure(backbone)
            self.build_if_known()
            self.start(backbone)
        refuse_another_backbone(self.hparams["backbone_spec"], backbone.spec)
        self.texts = self.text.embed(
            [self.template().replace("{}", name.replace("_", " ")) for name in data.class_names]
        )
        self._forget_features()
        if stage == "fit":
            self.prepare()

    # ---- classifying ---------------------------------------------------------------------------------------------

    def forward(
        self, image_embedding: Float[Tensor, "b d"], class_embeddings: Float[Tensor, "c d"]
    ) -> Float[Tensor, "b c"]:
        """Logits cos(x, w_c) / tau of unit-norm image embeddings over the DataModule's classes.

        The w_c are those of the learned prompts; what the DataModule calls its classes is not read.
        """
        return self.logits(image_embedding, self.features())

    def features(self) -> Float[Tensor, "c d"]:
        """The class features: computed anew in training, once a validation, test or prediction otherwise."""
        return self.class_features() if self._features is None else self._features

    def logits(self, image_embedding: Float[Tensor, "b d"], features: Float[Tensor, "c d"]) -> Float[Tensor, "b c"]:
        """Cosines times 1 / tau of unit-norm embeddings, in float32 in any precision: in bfloat16 classes would tie."""
        with torch.autocast(self.device.type, enabled=False):
            return self.logit_scale * image_embedding @ features.T

    @torch.no_grad()
    def remember_features(self) -> None:
        """Compute the class features once for all batches of an evaluation."""
        with self.trainer.precision_plugin.forward_context():
            self._features = self.class_features()

    def _forget_features(self) -> None:
        self._features = None

    def on_validation_start(self) -> None:
        """Compute the class features once."""
        super().on_validation_start()
        self.remember_features()

    def on_test_start(self) -> None:
        """Compute the class features once."""
        super().on_test_start()
        self.remember_features()

    def on_predict_start(self) -> None:
        """Compute the class features once."""
        self.remember_features()

    def on_validation_end(self) -> None:
        """Forget the class features: training changes them."""
        self._forget_features()

    def on_test_end(self) -> None:
        """Forget the class features: the next test may have other classes."""
        self._forget_features()

    def on_predict_end(self) -> None:
        """Forget the class features: the next prediction may have other classes."""
        self._forget_features()

    # ---- training ------------------------------------------------------------------------------------------------

    def training_step(self, batch: ClassificationBatch, batch_idx: int) -> Float[Tensor, ""]:
        """The loss on one batch."""
        require(batch, "label")
        terms = self.terms(batch)
        loss = self.loss(terms)
        self.means.update(terms | {"loss": loss}, len(batch["label"]))
        return loss

    def loss(self, terms: dict[str, Float[Tensor, ""]]) -> Float[Tensor, ""]:
        """What is minimised: the sum of the terms."""
        return cast(Tensor, sum(terms.values()))

    def on_train_epoch_end(self) -> None:
        """Log the means of the epoch's terms, once an epoch: no step waits for the device."""
        for name, value in self.means.compute().items():
            self.log(f"train/{name}", value, prog_bar=name == "loss", sync_dist=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """SGD with momentum, its learning rate stepped each epoch along `coop_learning_rate`.

        Raises:
            RecipeError: If the number of epochs is not set.
        """
        lr, epochs = self.hparams["lr"], self.trainer.max_epochs or 0
        if epochs < 1:
            raise RecipeError(
                f"trainer.max_epochs is {epochs}: the schedule is counted in epochs, so set --trainer.max_epochs (and "
                "not --trainer.max_steps alone)."
            )
        return sgd_by_epoch(self.parameters(), lr=lr, weight_decay=self.hparams["weight_decay"], epochs=epochs)

    # ---- checkpoints ---------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Record the run's length and the class."""
        record_run(self, checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that a task keeps its backbone, and a resumed run its schedule.

        Raises:
            BackboneMismatchError: If the checkpoint was trained on another backbone than this task's.
            CheckpointError: If a run is resumed for another number of epochs.
        """
        saved = checkpoint.get("hyper_parameters", {}).get("backbone_spec")
        if saved and self.hparams["backbone_spec"]:
            refuse_another_backbone(saved, self.hparams["backbone_spec"])
        if self._trainer is not None and self._trainer.training:
            refuse_other_epochs(checkpoint, self._trainer.max_epochs)
