"""Discriminative visual question answering with AAPE (paper section 3.3): a perceptron chooses among known answers."""

from typing import Literal, cast

import torch
from jaxtyping import Float
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn

from aape_lightning.backbones import BackboneSpec
from aape_lightning.batch import PromptBatch, QuestionBatch, require
from aape_lightning.errors import CheckpointError, RecipeError, listed
from aape_lightning.metrics.written import WrittenTexts
from aape_lightning.modules import AnswerHead, Generator, answer_loss, build_aggregator, distillation_loss
from aape_lightning.tasks.base import AAPETask
from aape_lightning.tasks.vqa_evaluation import AnswerEvaluation, answer_scores

__all__ = ["VQAClassifierTask"]


class VQAClassifierTask(AnswerEvaluation, AAPETask):
    r"""A perceptron over [image embedding; AAPE; question embedding], L = lambda L_distill + cross-entropy of answers.

    The vocabulary is the DataModule's, from the training questions; a question whose answers are all outside it is
    nothing to learn from, and is tested like any other.

    Args:
        aape: `none` for the perceptron over image and question alone, `frozen` for h as `generator_from` has it, or
            `trained` for an h that learns with the perceptron.
        generator_from: A run's `aape.ckpt`, from which h is taken at the start of training.
        hidden: Width of the hidden layer.
        dropout: Chance to drop a hidden number in training.
        aggregator: `attention`, or the ablation's `mlp`, `mean`, `random`.
        query: What the attention asks with: `image` or `mean` (the literal Eq. 1).
        distillation_weight: lambda, where h is trained; 0 trains without an aggregator, and without captions.
        schedule: `staged` (aggregator first) or `joint`.
        aggregator_epochs: Epochs of the first stage; the rest of `trainer.max_epochs` is the second's.
        aggregator_lr: Learning rate of the first stage.
        lr: Learning rate of the second stage, and of a joint run.
        weight_decay: AdamW's, in both stages.
        backbone_spec: The backbone trained on; recorded by the first fit, not for users to set.
        answers: The vocabulary; recorded likewise.
    """

    head = "discriminative"

    def __init__(
        self,
        *,
        aape: Literal["none", "frozen", "trained"] = "trained",
        generator_from: str | None = None,
        hidden: int = 1024,
        dropout: float = 0.5,
        aggregator: Literal["attention", "mlp", "mean", "random"] = "attention",
        query: Literal["image", "mean"] = "image",
        distillation_weight: float = 5.0,
        schedule: Literal["staged", "joint"] = "staged",
        aggregator_epochs: int = 5,
        aggregator_lr: float = 1e-3,
        lr: float = 1e-3,
        weight_decay: float = 0.01,
        backbone_spec: dict[str, str | int | float] | None = None,
        answers: list[str] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.build_if_known()

    # ---- building ------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Check the DataModule too, and learn the vocabulary from it.

        Raises:
            BatchError: If there is no DataModule with questions, or it is made for the other head.
            CheckpointError: If training goes on with another vocabulary.
            RecipeError: If the loss needs captions and there are none, or h is to stay as it was drawn.
        """
        self.check_data(distils=stage == "fit" and self.uses_summaries)
        if stage == "fit":
            self._take_vocabulary(self.vqa_data().answers)
        if self.hparams["aape"] == "frozen" and not self.hparams["generator_from"]:
            raise RecipeError(
                "aape is 'frozen' and no generator is named: h would stay as it was drawn. Name a run that trained one "
                "with --model.generator_from RUN/aape.ckpt."
            )
        super().setup(stage)

    def _take_vocabulary(self, answers: list[str]) -> None:
        recorded = self.hparams["answers"]
        if recorded is not None and recorded != answers:
            raise CheckpointError(
                f"The checkpoint chooses among {len(recorded)} answers ({listed(recorded, limit=3)}), and the data "
                f"have {len(answers)} ({listed(answers, limit=3)}). Train on with the data and --data.answers of its "
                "run, or train anew."
            )
        self.hparams["answers"] = answers

    def build_modules(self, spec: BackboneSpec) -> None:
        """Build the perceptron, and generator and aggregator where they are used, at the backbone's width."""
        choice, width = self.hparams, spec["embed_dim"]
        if choice["answers"] is None:
            raise CheckpointError(
                "VQAClassifierTask learns its answers in a fit, and its checkpoint holds them. Build the task with "
                "VQAClassifierTask.load_from_checkpoint(PATH)."
            )
        if self.uses_generator:
            self.generator = Generator(width)
        if self.uses_summaries:
            self.aggregator = build_aggregator(choice["aggregator"], width, query=choice["query"])
        self.answer_head = AnswerHead(
            width,
            len(choice["answers"]),
            with_aape=self.uses_generator,
            hidden=choice["hidden"],
            dropout=choice["dropout"],
        )

    @property
    def uses_generator(self) -> bool:
        """Whether AAPE is among the inputs."""
        return bool(self.hparams["aape"] != "none")

    @property
    def uses_summaries(self) -> bool:
        """Whether there is a distillation term."""
        return self.hparams["aape"] == "trained" and bool(self.hparams["distillation_weight"])

    def stage_modules(self) -> list[nn.Module]:
        """The modules that the current stage trains: not an h that was taken as it is."""
        frozen = self.generator if self.hparams["aape"] == "frozen" else None
        return [module for module in super().stage_modules() if module is not frozen]

    # ---- training ------------------------------------------------------------------------------------------------

    def forward(
        self, image_embedding: Float[Tensor, "b d"], question_embedding: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b a"]:
        """Logits of the vocabulary's answers from unit-norm embeddings."""
        aape = self.generator(image_embedding) if self.uses_generator else None
        return self.logits(image_embedding, question_embedding, aape)

    def logits(
        self,
        image_embedding: Float[Tensor, "b d"],
        question_embedding: Float[Tensor, "b d"],
        aape: Float[Tensor, "b d"] | None,
    ) -> Float[Tensor, "b a"]:
        """The same given AAPE h(x)."""
        return cast(Tensor, self.answer_head(image_embedding, question_embedding, aape))

    def on_train_start(self) -> None:
        """Tell how much of the training part the vocabulary leaves out."""
        super().on_train_start()
        questions, without = self.vqa_data().unanswerable()
        if without:
            rank_zero_info(
                f"{without} of {questions} training questions ({without / questions:.1%}) have no answer among the "
                f"{len(self.hparams['answers'])} of the vocabulary and are not learned from."
            )

    def weight(self, term: str) -> float:
        """What a term counts in the loss: lambda for L_distill."""
        return float(self.hparams["distillation_weight"]) if term == "distillation" else 1.0

    def generator_terms(self, batch: PromptBatch, summary: Float[Tensor, "b d"] | None) -> dict[str, Float[Tensor, ""]]:
        """Cross-entropy with the answers' shares, and L_distill where h learns."""
        asked = cast(QuestionBatch, require(batch, "image_embedding", "question_embedding", "answer_share"))
        aape = self.generator(asked["image_embedding"]) if self.uses_generator else None
        logits = self.logits(asked["image_embedding"], asked["question_embedding"], aape)
        terms = {"cross_entropy": answer_loss(logits, asked["answer_share"])}
        if summary is not None and aape is not None:
            terms["distillation"] = distillation_loss(aape, summary)
        return terms

    # ---- evaluation ----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def answer(self, batch: QuestionBatch) -> list[str]:
        """The likeliest answer of the vocabulary to each question."""
        require(batch, "image_embedding", "question_embedding")
        best = self(batch["image_embedding"], batch["question_embedding"]).argmax(dim=-1)
        return [self.hparams["answers"][k] for k in best.tolist()]

    def on_validation_epoch_start(self) -> None:
        """Start to collect."""
        self._validated = WrittenTexts()

    def validation_step(self, batch: QuestionBatch, batch_idx: int) -> None:
        """Answer each question."""
        self._validated.update(batch["index"], self.answer(batch))

    def on_validation_epoch_end(self) -> None:
        """Log `val/accuracy`, where each question has ten answers, and `val/exact_match`."""
        scores = answer_scores(self._validated.compute(), self.vqa_data().items("val"))
        for name in ("accuracy", "exact_match"):
            if name in scores:
                self.log(f"val/{name}", scores[name], prog_bar=True)
