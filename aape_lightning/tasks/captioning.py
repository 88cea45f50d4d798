"""AAPE for captioning (paper section 3.3, LiMBeR): a frozen language model describes what its soft prefix shows."""

from typing import Any, Literal

from aape_lightning.tasks.described import CaptionEvaluation

__all__ = ["CaptioningTask"]


class CaptioningTask(CaptionEvaluation):
    r"""Maps into a frozen language model, trained by L = lambda L_distill + cross-entropy of the captions.

    Without AAPE (`prefix: none`) it is LiMBeR. With it, h may be taken from a run on captions and stay as it is (the
    paper's zero-shot AAPE: `generator_from` and `train_generator: false`), start there and be finetuned, or be trained
    here.

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
        distillation_weight: lambda; 0 trains without an aggregator.
        schedule: `staged` (aggregator first) or `joint`.
        aggregator_epochs: Epochs of the first stage; the rest of `trainer.max_epochs` is the second's.
        aggregator_lr: Learning rate of the first stage.
        lr: Learning rate of the second stage, and of a joint run; LiMBeR's.
        weight_decay: AdamW's, in both stages.
        backbone_spec: The backbone trained on; recorded by the first fit, not for users to set.
        image_token_width: Width of its image tokens; recorded likewise.
        language_fingerprint: Hash of the language model; recorded likewise.
    """

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
