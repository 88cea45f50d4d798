"""open_clip's models with their own weights, tokenisers and preprocessing."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from aape_lightning.backbones.base import FrozenBackbone
from aape_lightning.backbones.checks import reading, require_plain_transform
from aape_lightning.errors import BackboneNotFoundError, did_you_mean, listed

__all__ = ["OpenClipBackbone", "load_open_clip"]

_PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")


class OpenClipBackbone(FrozenBackbone):
    """A frozen model of open_clip; satisfies `Backbone`.

    Of a SigLIP `logit_scale` alone is used: its bias is one constant, which no softmax over classes sees.

    Args:
        name: The name under which it was asked for.
        model: The model, with the preprocessing that `open_clip.create_model` leaves on it.
        tokenizer: Its tokeniser, as `open_clip.get_tokenizer` returns it.
        config: Its configuration, as `open_clip.get_model_config` returns it, with what was forced.
    """

    def __init__(self, name: str, model: Any, tokenizer: Any, config: dict[str, Any]) -> None:  # noqa: ANN401
        from open_clip.transform import PreprocessCfg, image_transform_v2

        preprocessing = PreprocessCfg(**model.visual.preprocess_cfg)
        super().__init__(name, model, image_transform_v2(preprocessing, is_train=False))
        self._tokenizer = tokenizer
        self.image_mean = tuple(preprocessing.mean)
        self.image_std = tuple(preprocessing.std)
        self.embed_dim = int(config["embed_dim"])
        self.input_size = int(preprocessing.input_size[-1])
        self.context_length = int(tokenizer.context_length)
        self.logit_scale = float(self.model.logit_scale.exp())
        self.fingerprint = self._fingerprint(
            {"family": "open_clip", "config": config, "preprocessing": model.visual.preprocess_cfg}
        )

    def token_count(self, text: str) -> int:
        """Length of a text in tokens, start and end included, before any truncation."""
        if hasattr(self._tokenizer, "encode"):
            return len(self._tokenizer.encode(text)) + 2
        # open_clip cleans texts before it hands them to a tokeniser of Hugging Face's.
        return len(self._tokenizer.tokenizer(self._tokenizer.clean_fn(text), verbose=False).input_ids)

    @property
    def reads_causally(self) -> bool:  # type: ignore[override]
        """Whether the text tower has a causal mask, and the embedding is read at the end token."""
        tower = getattr(self.model, "text", self.model)
        pooled = getattr(tower, "text_pool_type", getattr(tower, "pool_type", None))
        ends = getattr(tower, "attn_mask", None) is not None and pooled in ("argmax", "eos")
        return ends and getattr(tower, "cls_emb", None) is None  # CoCa reads a token that it appends

    def _text_features(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        """The text tower's output; open_clip's `CLIP`, unlike its other models, takes only whole contexts."""
        model, t = self.model, tokens.shape[1]
        if hasattr(model, "text") or t == model.context_length:
            return super()._text_features(tokens)
        from open_clip.transformer import text_global_pool

        x = model.token_embedding(tokens) + model.positional_embedding[:t]
        x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:t, :t]))
        pooled: Tensor = text_global_pool(
            x, tokens, model.text_pool_type, eos_token_id=getattr(model, "text_eos_id", None)
        )
        projection = model.text_projection
        if projection is None:
            return pooled
        return cast(Tensor, projection(pooled) if isinstance(projection, nn.Linear) else pooled @ projection)

    def _tokens(self, texts: list[str]) -> Int[Tensor, "b t"]:
        tokens: Tensor = self._tokenizer(texts)
        return tokens

    @cached_property
    def image_token_shape(self) -> tuple[int, int]:
        """Number t and width c of an image's tokens; timm's towers tell neither, so that one empty image is asked."""
        size = self.input_size
        _, count, width = self.image_tokens(torch.zeros(1, 3, size, size, device=self.model.logit_scale.device)).shape
        return count, width

    def _image_grid(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b t c"]:
        visual = self.model.visual
        if not hasattr(getattr(visual, "trunk", visual), "forward_intermediates"):
            raise BackboneNotFoundError(
                f"Backbone {self.name!r} gives no image tokens: its image tower, a "
                f"{type(getattr(visual, 'trunk', visual)).__name__}, has no features of a grid to be read. Choose one "
                "with a ViT, a ResNet or a ConvNeXt: --data.backbone open_clip:ViT-B-16/WEIGHTS."
            )
        # CoCa's last LayerNorm belongs to what its attention has pooled.
        normalize = getattr(visual, "attn_pool", None) is None
        features = visual.forward_intermediates(
            images, indices=1, normalize_intermediates=normalize, intermediates_only=True
        )
        grid: Tensor = features["image_intermediates"][0].flatten(2).mT
        return grid


def load_open_clip(name: str) -> OpenClipBackbone:
    """Load a model of open_clip, on the CPU in float32.

    Args:
        name: `open_clip:MODEL/WEIGHTS`, cut at the first slash. WEIGHTS is one of the model's tags, or a file. A tag
            whose weights were trained with QuickGELU (`openai` is one) gets it. A file says nothing of how it was
            trained: name the `-quickgelu` model for one that needs it; its preprocessing is that of the model's tags
            where they agree, and OpenAI's where they do not. Tags are downloaded to the Hugging Face Hub's cache;
            without a network, `HF_HUB_OFFLINE=1` spares its client's repeated tries.

    Raises:
        BackboneNotFoundError: If open_clip is not installed, the model or the tag is unknown, or weights or tokeniser
            can be neither downloaded nor read.
    """
    try:
        import open_clip
    except ImportError as error:
        raise BackboneNotFoundError(
            f"Backbone {name!r} needs open_clip, which is not installed: pip install 'aape-lightning[open-clip]'"
        ) from error
    model_name, _, weights = name.removeprefix("open_clip:").partition("/")
    if model_name not in open_clip.list_models():
        raise BackboneNotFoundError(
            f"open_clip has no model {model_name!r} (backbone {name!r}; the form is open_clip:MODEL/WEIGHTS)."
            f"{did_you_mean(model_name, open_clip.list_models())}"
        )
    file, tag = _find_weights(name, model_name, weights)
    config = open_clip.get_model_config(model_name)
    config["quick_gelu"] = bool(config.get("quick_gelu")) or bool(tag.get("quick_gelu"))
    backbone = OpenClipBackbone(name, *_read(name, model_name, config, file, tag), config)
    require_plain_transform(backbone)
    return backbone


def _read(name: str, model_name: str, config: dict[str, Any], file: str, tag: dict[str, Any]) -> tuple[Any, Any]:
    """The model and its tokeniser."""
    import open_clip

    with _root_logger_kept():
        with reading(
            f"The weights of backbone {name!r}",
            f"They must be open_clip's of model {model_name!r}; a file in OpenAI's format is loaded by its path alone.",
        ):
            model = open_clip.create_model(
                model_name,
                pretrained=file,
                force_quick_gelu=config["quick_gelu"],
                force_preprocess_cfg={key: tag[key] for key in _PREPROCESSING if key in tag},
            )
        with reading(
            f"The tokenizer of backbone {name!r}",
            f"It is {config['text_cfg'].get('hf_tokenizer_name')!r} of the Hugging Face Hub, downloaded on first use; "
            "where there is no network, fill the Hub's cache elsewhere and name its copy in $HF_HOME.",
        ):
            tokenizer = open_clip.get_tokenizer(model_name)
    return model, tokenizer


def _find_weights(name: str, model_name: str, weights: str) -> tuple[str, dict[str, Any]]:
    """The file of the weights, and what open_clip records of them (of a file: what the model's tags agree on)."""
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(model_name)
    if tag := open_clip.get_pretrained_cfg(model_name, weights):
        with reading(
            f"The weights of backbone {name!r}",
            f"They are downloaded from {tag.get('hf_hub') or tag.get('url')!r} on first use. Where there is no "
            f"network, download them elsewhere and pass the file as open_clip:{model_name}/PATH.",
        ):
            return open_clip.download_pretrained(tag), tag
    if Path(weights).is_file():
        records = [open_clip.get_pretrained_cfg(model_name, tag) for tag in tags]
        kinds = {tuple((key, record[key]) for key in _PREPROCESSING) for record in records}
        return weights, dict(kinds.pop()) if len(kinds) == 1 else {}
    raise BackboneNotFoundError(
        f"open_clip's model {model_name!r} has no weights {weights!r} (backbone {name!r}): that is neither a file nor "
        f"one of {listed(tags, 20) or 'its tags, of which there are none'}.{did_you_mean(weights, tags)}"
    )


@contextmanager
def _root_logger_kept() -> Iterator[None]:
    """open_clip logs through the root logger, which gives it a handler that would repeat every library's messages."""
    handlers = list(logging.root.handlers)
    try:
        yield
    finally:
        logging.root.handlers[:] = handlers
