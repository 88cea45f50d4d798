"""What the AAPE tasks share: plain hyper-parameters, modules built inside, and the two stages of one `fit`.

`staged` (the literal reading of the paper) trains the aggregator by the CLIP reward first, computes its summaries of
the training images once, and then trains generator and head. `joint` trains both at once. Either way p^a is a constant
to the generator.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from aape_lightning.backbones import BackboneSpec
from aape_lightning.batch import PromptBatch, require
from aape_lightning.errors import BatchError, CheckpointError, RecipeError
from aape_lightning.modules import Aggregator, Generator, clip_reward
from aape_lightning.tasks.building import built_from, drawn_seed
from aape_lightning.tasks.means import EpochMeans
from aape_lightning.tasks.plan import Plan, Stage
from aape_lightning.tasks.records import record_run, refuse_another_backbone, refuse_other_epochs
from aape_lightning.tasks.schedules import sgd_by_epoch
from aape_lightning.tasks.trained import trained_generator

__all__ = ["AAPETask"]

TERM_SIGNS = {"reward": -1.0}  # the reward is maximised, every other term minimised
_FORMS = ("projection", "aggregator", "query", "retrieve_with", "prefix")
_NOT_RESUMABLE = "aape.ckpt holds neither aggregator nor optimizer and is not trained further; resume from last.ckpt."


class AAPETask(LightningModule):
    """A task that trains an aggregator, a generator, or both; subclasses say what the generator's stage minimises.

    Subclasses save their hyper-parameters, and give `build_modules` and `generator_terms`. The hyper-parameters that
    this class reads: `schedule`, `aggregator_epochs`, `aggregator_lr`, `lr`, `weight_decay`, `backbone_spec`, and where
    they have it `optimizer`.

    The backbone's plain description arrives with the DataModule at the first `setup` and is saved with the
    hyper-parameters, so a checkpoint loads without a DataModule and is refused on another backbone.
    """

    generator: Generator

    def __init__(self) -> None:
        super().__init__()
        self.aggregator: Aggregator | None = None
        self.stage: Stage = "aggregator"
        self.means = EpochMeans()
        self._build_seed = drawn_seed()

    # ---- building ------------------------------------------------------------------------------------------------

    @abstractmethod
    def build_modules(self, spec: BackboneSpec) -> None:
        """Build the trained modules for a backbone's dimensions."""

    def generator_terms(self, batch: PromptBatch, summary: Float[Tensor, "b d"] | None) -> dict[str, Float[Tensor, ""]]:
        """The terms that the generator's stage minimises, by name, unweighted."""
        return {}

    def build_if_known(self) -> None:
        """Build the modules as soon as the backbone is known: at once when a checkpoint is loaded.

        They start from a seed that was drawn with the task: what the DataModule draws from the global generator until
        then depends on which caches exist, and must not reach the weights.
        """
        _check_ranges(self.hparams)
        if self.hparams["backbone_spec"] is not None:
            with built_from(self._build_seed):
                self.build_modules(self.hparams["backbone_spec"])

    def setup(self, stage: str) -> None:
        """Learn the backbone from the DataModule, or check that it is the one trained on; choose the first stage.

        Where the hyper-parameter `generator_from` names another run, training starts from its h.

        Raises:
            BatchError: If there is neither a DataModule nor a recorded backbone.
            BackboneMismatchError: If the DataModule, or the other run, uses another backbone.
            CheckpointError: If the other run has no generator.
        """
        backbone = getattr(getattr(self.trainer, "datamodule", None), "backbone", None)
        recorded = self.hparams["backbone_spec"]
        if backbone is None and recorded is None:
            raise BatchError(
                f"{type(self).__name__} learns the backbone from its DataModule, and there is none. Pass one: "
                "Trainer.fit(task, datamodule=ClassificationDataModule(...))."
            )
        if backbone is not None and recorded is not None:
            refuse_another_backbone(recorded, backbone.spec)
        if recorded is None and backbone is not None:
            self.hparams["backbone_spec"] = dict(backbone.spec)
            self.build_if_known()
        if stage == "fit":
            if backbone is not None:
                self.trainer.datamodule.with_prompts = self.uses_summaries  # type: ignore[attr-defined]
            source = self.hparams.get("generator_from")
            if source and "generator" in dict(self.named_children()) and self.trainer.ckpt_path is None:
                self.generator.load_state_dict(trained_generator(Path(source), self.hparams["backbone_spec"]))
            # Before a strategy wraps the model; a resumed run then enters its own.
            self._enter_stage(self.plan.stage_at(0))

    # ---- stages --------------------------------------------------------------------------------------------------

    @property
    def plan(self) -> Plan:
        """The stages of this run.

        A first stage that has nothing to learn is skipped and the run is that much shorter: the second stage is as long
        whatever the aggregator, so that methods are compared after equal training.
        """
        epochs = self.trainer.max_epochs or 0
        if self.hparams["schedule"] == "joint":
            return Plan(joint=epochs)
        first: int = self.hparams["aggregator_epochs"]
        skipped = not (self.uses_summaries and self._aggregator_learns)
        return Plan(aggregator=0 if skipped else first, generator=epochs - first)

    @property
    def _aggregator_learns(self) -> bool:
        return self.aggregator is not None and any(True for _ in self.aggregator.parameters())

    @property
    def uses_summaries(self) -> bool:
        """Whether the loss needs p^a at all; without it no aggregator is trained."""
        return True

    def stage_modules(self) -> list[nn.Module]:
        """The modules that the current stage trains."""
        generator_side = [child for name, child in self.named_children() if name != "aggregator"]
        aggregator_side = [] if self.aggregator is None or not self.uses_summaries else [self.aggregator]
        sides: dict[Stage, list[nn.Module]] = {
            "aggregator": [*aggregator_side],
            "generator": generator_side,
            "joint": [*aggregator_side, *generator_side],
        }
        return sides[self.stage]

    def _enter_stage(self, stage: Stage) -> None:
        """Train this stage's parameters and no others, so that plain DDP finds a gradient for each it waits for."""
        self.stage = stage
        self.requires_grad_(False)
        for module in self.stage_modules():
            module.requires_grad_(True)

    def on_fit_start(self) -> None:
        """Forget what an earlier fit in this process has computed."""
        self._summarized = False

    def _check_can_train(self) -> None:
        if self.uses_summaries and self.aggregator is None:
            raise CheckpointError(_NOT_RESUMABLE)
        epochs = self.trainer.max_epochs or 0
        if epochs < 0:
            raise RecipeError(
                f"trainer.max_epochs is {epochs}: the schedule is counted in epochs, so set --trainer.max_epochs (and "
                "not --trainer.max_steps alone)."
            )
        dry_run = self.trainer.fast_dev_run  # type: ignore[attr-defined]
        if self.hparams.get("schedule") == "staged" and not dry_run and self.plan.generator <= 0 < epochs:
            raise RecipeError(
                f"aggregator_epochs is {self.hparams['aggregator_epochs']} and trainer.max_epochs {epochs}: no epoch "
                "is left for the generator. max_epochs counts both stages; raise it, or lower "
                "--model.aggregator_epochs."
            )

    def on_train_start(self) -> None:
        """Leave a run that is resumed though it was finished: without a first stage it ends before `max_epochs`."""
        if 0 < self.plan.epochs <= self.current_epoch:
            self.trainer.should_stop = True
        self._summarize()  # Lightning starts no epoch where a run goes on within one

    def on_train_epoch_start(self) -> None:
        """Move to the second stage when its first epoch begins; compute the summaries it is trained on."""
        stage = self.plan.stage_at(self.current_epoch)
        if stage != self.stage:
            self._enter_stage(stage)
            strategy = self.trainer.strategy
            if isinstance(strategy, DDPStrategy):
                strategy.model = self  # DDP fixes the set of trained parameters when it wraps: wrap the new set
                strategy.configure_ddp()
            strategy.setup_optimizers(self.trainer)
        self._summarize()

    def _summarize(self) -> None:
        if self.stage == "generator" and self.uses_summaries and not self._summarized:
            assert self.aggregator is not None
            self.trainer.datamodule.summarize(self.aggregator)  # type: ignore[attr-defined]
            self._summarized = True

    # ---- training ------------------------------------------------------------------------------------------------

    def training_step(self, batch: PromptBatch, batch_idx: int) -> Float[Tensor, ""]:
        """The weighted sum of the current stage's terms on one batch."""
        require(batch, "image_embedding")
        summary = self.summary(batch) if self.uses_summaries else None
        terms = {}
        if self.stage != "generator" and summary is not None:
            terms["reward"] = clip_reward(batch["image_embedding"], summary)
        if self.stage != "aggregator":
            terms |= self.generator_terms(batch, summary)
        loss = reduce(add, (TERM_SIGNS.get(name, 1.0) * self.weight(name) * term for name, term in terms.items()))
        self.means.update(terms | {"loss": loss}, len(batch["index"]))
        return loss

    def weight(self, term: str) -> float:
        """What a term counts in the loss."""
        return 1.0

    def summary(self, batch: PromptBatch) -> Float[Tensor, "b d"]:
        """p^a: the batch's stored summaries, or the aggregator's output on the batch's sentences."""
        if "summary" in batch:
            return batch["summary"]
        require(batch, "prompts", "prompt_mask")
        assert self.aggregator is not None
        return cast(Tensor, self.aggregator(batch["prompts"], batch["prompt_mask"], batch["image_embedding"]))

    def on_train_epoch_end(self) -> None:
        """Log the means of the epoch's terms (once an epoch: no step waits for the device); end a shorter run."""
        for name, value in self.means.compute().items():
            self.log(f"train/{name}", value, prog_bar=name == "loss", sync_dist=True)
        if self.current_epoch + 1 == self.plan.epochs:
            self.trainer.should_stop = True

    # ---- optimizer -----------------------------------------------------------------------------------------------

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW over the current stage's parameters, its learning rate falling to zero as a cosine over the stage.

        With the hyper-parameter `optimizer` at `sgd`, all but the aggregator's stage is trained as the CoOp family
        trains: SGD with momentum 0.9, its learning rate that of `coop_learning_rate`, epoch by epoch.

        Raises:
            CheckpointError: If the aggregator is needed and the checkpoint left it out, as `aape.ckpt` does.
            RecipeError: If the number of epochs is not set, or the first stage leaves none for the second.
        """
        self._check_can_train()
        parameters = [parameter for parameter in self.parameters() if parameter.requires_grad]
        if self.stage != "aggregator" and self.hparams.get("optimizer") == "sgd":
            epochs = max(1, self.plan.epochs_of(self.stage))
            weight_decay = self.hparams["weight_decay"]
            return sgd_by_epoch(parameters, lr=self.hparams["lr"], weight_decay=weight_decay, epochs=epochs)
        optimizer = torch.optim.AdamW(
            parameters,
            lr=self.hparams["aggregator_lr" if self.stage == "aggregator" else "lr"],
            weight_decay=self.hparams["weight_decay"],
            fused=True,  # one kernel instead of a dozen a parameter: for networks this small a tenth of a step
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(1, self._stage_steps()))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _stage_steps(self) -> int:
        per_epoch = self.trainer.estimated_stepping_batches / max(1, self.trainer.max_epochs or 1)
        return round(per_epoch * self.plan.epochs_of(self.stage))

    # ---- checkpoints ---------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Record stage and epochs, which optimizer and schedule belong to, and the class, as the command line would."""
        checkpoint["stage"] = self.stage
        record_run(self, checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Enter the recorded stage before its optimizer is restored.

        Raises:
            BackboneMismatchError: If the checkpoint was trained on another backbone than this task's.
            CheckpointError: If a run is to be resumed from a checkpoint without the run's state, as `aape.ckpt` is, or
                for another number of epochs, or if it was trained with another projection, aggregator or query.
        """
        if self._trainer is not None and self._trainer.training:
            if "optimizer_states" not in checkpoint:
                raise CheckpointError(_NOT_RESUMABLE)
            refuse_other_epochs(checkpoint, self._trainer.max_epochs)
        saved = checkpoint.get("hyper_parameters", {})
        if saved.get("backbone_spec") is not None and self.hparams["backbone_spec"] is not None:
            refuse_another_backbone(saved["backbone_spec"], self.hparams["backbone_spec"])
        for name in _FORMS:  # forms that share the shapes of their weights, and would load without a word
            if name in saved and name in self.hparams and saved[name] != self.hparams[name]:
                raise CheckpointError(
                    f"The checkpoint was trained with {name} {saved[name]!r}, and this task has "
                    f"{self.hparams[name]!r}. Build the task with {type(self).__name__}.load_from_checkpoint(PATH)."
                )
        if "stage" in checkpoint:
            self._enter_stage(checkpoint["stage"])

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:  # noqa: ANN401
        """Load weights; a checkpoint that leaves the aggregator's out (`aape.ckpt`) gives a task without one."""
        has_state = self.aggregator is not None and bool(self.aggregator.state_dict())
        if has_state and not any(name.startswith("aggregator.") for name in state_dict):
            self.drop_aggregator()
        return super().load_state_dict(state_dict, strict=strict, assign=assign)

    def drop_aggregator(self) -> None:
        """Forget the aggregator: nothing at test time uses it, and an untrained one must not linger."""
        self.aggregator = None


def _check_ranges(hparams: Mapping[str, Any]) -> None:
    for name in ("aggregator_lr", "lr"):
        if name in hparams and not 0 < hparams[name] < math.inf:
            raise RecipeError(f"{name} is {hparams[name]}; it must be above 0 (--model.{name}).")
    for name in ("aggregator_epochs", "weight_decay", "distillation_weight"):
        if name in hparams and not 0 <= hparams[name] < math.inf:
            raise RecipeError(f"{name} is {hparams[name]}; it must be 0 or more (--model.{name}).")
    if (optimizer := hparams.get("optimizer", "adamw")) not in ("adamw", "sgd"):
        raise RecipeError(f"optimizer is {optimizer!r}; it must be 'adamw' or 'sgd' (--model.optimizer).")
