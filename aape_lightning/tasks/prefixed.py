"""What captioning and question answering share: a frozen language model led by an image and by AAPE (LiMBeR's way).

The image tower's grid becomes soft tokens of the language model through one linear map; AAPE h(x) is appended to them
as a further token, through a linear map of its own (paper section 3.3). Only the two maps and h are trained and saved.
"""

from collections.abc import Mapping
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aape_lightning.backbones import BackboneSpec
from aape_lightning.batch import LanguageBatch, PromptBatch, require
from aape_lightning.errors import CheckpointError, LanguageModelError, RecipeError
from aape_lightning.language import Decoding, embed_segments, generate, load_language_model, prefix_loss
from aape_lightning.modules import EmbeddingPrefix, Generator, ImagePrefix, build_aggregator, distillation_loss
from aape_lightning.tasks.base import AAPETask

__all__ = ["PrefixTask"]

_FROZEN = "language_model."
_DTYPES: dict[str, Any] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "auto": "auto",
}


class PrefixTask(AAPETask):
    """Maps that lead a frozen language model; subclasses say how it is evaluated.

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
        backbone_spec: dict[str, str | int | float] | None = None,
        image_token_width: int | None = None,
        language_fingerprint: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.build_if_known()

    # ---- building ------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Learn the width of image tokens from the DataModule too.

        Raises:
            CheckpointError: If the data's image tokens are of another width than those trained on.
            RecipeError: If h is to stay as it is and no run is named to take it from.
        """
        if self.uses_generator and not self.hparams["train_generator"] and not self.hparams["generator_from"]:
            raise RecipeError(
                "train_generator is off and no generator is named: h would stay as it was drawn. Name a run that "
                "trained one with --model.generator_from RUN/aape.ckpt."
            )
        data: Any = getattr(self.trainer, "datamodule", None)
        width = data.image_token_width if getattr(data, "with_tokens", False) else None
        recorded = self.hparams["image_token_width"]
        if recorded is None:
            self.hparams["image_token_width"] = width
        elif width not in (None, recorded):
            raise CheckpointError(
                f"The checkpoint was trained on image tokens of width {recorded}, and the data's are {width} wide. "
                "Test it with the --data.image_tokens of its run."
            )
        super().setup(stage)

    def build_modules(self, spec: BackboneSpec) -> None:
        """Load the language model, and build the maps into it, generator and aggregator."""
        choice = self.hparams
        self.language = load_language_model(choice["language_model"], dtype=_DTYPES[choice["language_dtype"]])
        self._fingerprint = self.language.fingerprint  # before a strategy shards what it is of
        choice["language_fingerprint"] = choice["language_fingerprint"] or self._fingerprint
        self.language_model = self.language.model
        self.image_prefix = ImagePrefix(choice["image_token_width"], self.language.width, dropout=choice["dropout"])
        if choice["prefix"] != "none":
            self.embedding_prefix = EmbeddingPrefix(spec["embed_dim"], self.language.width)
        if self.uses_generator:
            self.generator = Generator(spec["embed_dim"])
        if self.uses_summaries:
            self.aggregator = build_aggregator(choice["aggregator"], spec["embed_dim"], query=choice["query"])

    @property
    def uses_generator(self) -> bool:
        """Whether AAPE is among the soft tokens."""
        return bool(self.hparams["prefix"] == "aape")

    @property
    def trains_generator(self) -> bool:
        """Whether h learns in this run."""
        return self.uses_generator and bool(self.hparams["train_generator"])

    @property
    def uses_summaries(self) -> bool:
        """Whether there is a distillation term."""
        return self.trains_generator and bool(self.hparams["distillation_weight"])

    def stage_modules(self) -> list[nn.Module]:
        """The modules that the current stage trains: never the language model, nor an h that was taken as it is."""
        frozen = (
            [self.language_model] if self.trains_generator else [self.language_model, getattr(self, "generator", None)]
        )
        return [module for module in super().stage_modules() if not any(module is other for other in frozen)]

    # ---- the soft prefix -----------------------------------------------------------------------------------------

    def soft_tokens(
        self,
        image_tokens: Float[Tensor, "b t w"],
        image_embedding: Float[Tensor, "b d"],
        aape: Float[Tensor, "b d"] | None = None,
    ) -> Float[Tensor, "b s l"]:
        """What stands for an image: its grid, and behind it AAPE, or x itself, as one further token.

        Args:
            image_tokens: The image tower's grid.
            image_embedding: The image tower's embedding x.
            aape: h(x), where it is known already.
        """
        soft = self.image_prefix(image_tokens)
        if self.hparams["prefix"] == "none":
            return cast(Tensor, soft)
        further = image_embedding
        if self.uses_generator:
            further = self.generator(image_embedding) if aape is None else aape
        return torch.cat([soft, self.embedding_prefix(further)], dim=1)

    def segments(
        self, batch: LanguageBatch, aape: Float[Tensor, "b d"] | None = None
    ) -> list[list[Float[Tensor, "t l"] | str]]:
        """What the language model reads, row by row: shown examples, the image, the prompt."""
        soft = self.soft_tokens(batch["image_tokens"], batch["image_embedding"], aape)
        rows: list[list[Any]] = [[image, prompt] for image, prompt in zip(soft, batch["prompt"], strict=True)]
        if "shown_text" in batch:
            shown_tokens, shown = batch["shown_tokens"], batch["shown_embedding"]
            examples = self.soft_tokens(shown_tokens.flatten(0, 1), shown.flatten(0, 1)).unflatten(0, shown.shape[:2])
            for row, images, texts in zip(rows, examples, batch["shown_text"], strict=True):
                row[:0] = [part for pair in zip(images, texts, strict=True) for part in pair]
        return rows

    # ---- training ------------------------------------------------------------------------------------------------

    def weight(self, term: str) -> float:
        """What a term counts in the loss: lambda for L_distill."""
        return float(self.hparams["distillation_weight"]) if term == "distillation" else 1.0

    def generator_terms(self, batch: PromptBatch, summary: Float[Tensor, "b d"] | None) -> dict[str, Float[Tensor, ""]]:
        """Cross-entropy of the target's tokens, and L_distill where h learns."""
        led = cast(LanguageBatch, require(batch, "image_embedding", "image_tokens", "prompt", "target"))
        aape = self.generator(led["image_embedding"]) if self.uses_generator else None
        terms = {"cross_entropy": self.language_loss(led, aape)}
        if summary is not None and aape is not None:
            terms["distillation"] = distillation_loss(aape, summary)
        return terms

    def language_loss(self, batch: LanguageBatch, aape: Float[Tensor, "b d"] | None = None) -> Float[Tensor, ""]:
        """Mean cross-entropy of the targets' tokens, the end among them."""
        return prefix_loss(self.language, embed_segments(self.language, self.segments(batch, aape), batch["target"]))

    def validation_step(self, batch: LanguageBatch, batch_idx: int) -> None:
        """Log `val/cross_entropy`."""
        require(batch, "image_embedding", "image_tokens", "prompt", "target")
        loss = self.language_loss(batch)
        self.log("val/cross_entropy", loss, batch_size=len(batch["index"]), prog_bar=True, sync_dist=True)

    @torch.no_grad()
    def write(self, batch: LanguageBatch, decoding: Decoding) -> list[str]:
        """What the language model says behind each row of a batch."""
        require(batch, "image_embedding", "image_tokens", "prompt")
        return generate(self.language, embed_segments(self.language, self.segments(batch), side="left"), decoding)

    # ---- checkpoints ---------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave the language model out: it is frozen, large, and known by its name and fingerprint."""
        super().on_save_checkpoint(checkpoint)
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: tensor for name, tensor in state.items() if not name.startswith(_FROZEN)}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse maps into another language model.

        Raises:
            LanguageModelError: If the checkpoint was trained with a language model of other weights.
        """
        trained_with = checkpoint.get("hyper_parameters", {}).get("language_fingerprint")
        if trained_with not in (None, self._fingerprint):
            raise LanguageModelError(
                f"The checkpoint was trained with other weights of language model {self.language.name!r} than those "
                f"found now ({trained_with[:12]} and {self._fingerprint[:12]}); its maps fit the former alone."
            )
        super().on_load_checkpoint(checkpoint)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:  # noqa: ANN401
        """Load weights; the language model keeps its own."""
        own = {f"{_FROZEN}{name}": tensor for name, tensor in self.language_model.state_dict().items()}
        return super().load_state_dict({**state_dict, **own}, strict=strict, assign=assign)
