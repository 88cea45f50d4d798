"""AAPE for visual question answering (paper section 3.3, LiMBeR): a frozen language model answers about an image."""

from typing import Any, Literal

from aape_lightning.batch import LanguageBatch
from aape_lightning.tasks.prefixed import PrefixTask
from aape_lightning.tasks.vqa_evaluation import AnswerEvaluation

__all__ = ["VQATask"]


class VQATask(AnswerEvaluation, PrefixTask):
    r"""Maps into a frozen language model, trained by L = lambda L_distill + cross-entropy of answers or of captions.

    Which of the two, and how many answered examples stand before a test question, is the DataModule's: where it has
    `learn_from: captions` the maps see no question in training, and questions are answered by prompting alone, as in
    LiMBeR. Without AAPE (`prefix: none`) it is LiMBeR.

    Args:
        language_model: Name or folder for `load_language_model`; it is frozen and in no checkpoint.
        language_dtype: What its weights are held in; the maps are float32.
        prefix: What stands behind the image tokens: `aape` for h(x), `embedding` for x itself (what h adds to it is the
            difference), `none` for LiMBeR alone.
        generator_from: A run's `aape.ckpt`, from which h is taken at the start of training.
        train_generator: Train h too; else it stays as `generator_from` has it.
        dropout: Chance to drop a number of an image's soft tokens in training; LiMBeR's.
        aggregator: `attention`, or the ablation's `mlp`, `mean`, `random`.
        query: What the attention asks with: `image` or `mean` (the literal Eq. 1).
        distillation_weight: lambda; 0 trains without an aggregator, and without captions.
        schedule: `staged` (aggregator first) or `joint`.
        aggregator_epochs: Epochs of the first stage; the rest of `trainer.max_epochs` is the second's.
        aggregator_lr: Learning rate of the first stage.
        lr: Learning rate of the second stage, and of a joint run; LiMBeR's.
        weight_decay: AdamW's, in both stages.
        backbone_spec: The backbone trained on; recorded by the first fit, not for users to set.
        image_token_width: Width of its image tokens; recorded likewise.
        language_fingerprint: Hash of the language model; recorded likewise.
    """

    head = "generative"

    def __init__(
        self,
        *,
        language_model: str = "gpt2",
        language_dtype: Literal["float32", "bfloat16", "float16", "auto"] = "float32",
        prefix: Literal["none", "embedding", "aape"] = "aape",
        generator_from: str | None = None,
        train_generator: bool = True,
        dropout: float = 0.1,
        aggregator: Literal["attention", "mlp", "mean", "random"] = "attention",
        query: Literal["image", "mean"] = "image",
        distillation_weight: float = 5.0,
        schedule: Literal["staged", "joint"] = "staged",
        aggregator_epochs: int = 5,
        aggregator_lr: float = 1e-3,
        lr: float = 8e-4,
        weight_decay: float = 0.01,
        backbone_spec: dict[str, Any] | None = None,
        image_token_width: int | None = None,
        language_fingerprint: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.build_if_known()

    def setup(self, stage: str) -> None:
        """Check the DataModule too.

        Raises:
            BatchError: If there is no DataModule with questions, or it is made for the other head.
            RecipeError: If the loss needs captions and there are none, or h is to stay as it was drawn.
        """
        self.check_data(distils=stage == "fit" and self.uses_summaries)
        super().setup(stage)

    def answer(self, batch: LanguageBatch) -> list[str]:
        """What the language model says to each question, cut to an answer."""
        data = self.vqa_data()
        return list(data.cut_answers(batch["index"], self.write(batch, data.decoding)))
