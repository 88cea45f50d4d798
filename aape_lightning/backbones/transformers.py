"""CLIP models of Hugging Face's transformers, from their own files: config, weights, tokeniser and preprocessor."""

from functools import cached_property
from typing import Any

from jaxtyping import Float, Int
from PIL.Image import Image
from torch import Tensor, nn

from aape_lightning.backbones.base import FrozenBackbone
from aape_lightning.backbones.checks import reading, require_plain_transform
from aape_lightning.errors import BackboneNotFoundError, listed
from aape_lightning.hub import knows_words, without_loading_bars

__all__ = ["TransformersBackbone", "load_transformers"]

# What changes a tower's numbers and is not to be seen in its weights.
_ARCHITECTURE = ("hidden_act", "num_attention_heads", "layer_norm_eps", "eos_token_id")
# Names of classes, which change between releases; the processor's own class counts by its name alone.
_CLASS_NAMES = ("feature_extractor_type", "image_processor_type", "processor_class")
_REMEDY = (
    "A folder of a transformers CLIP holds config.json, model.safetensors, tokenizer.json (or vocab.json and "
    "merges.txt) and preprocessor_config.json (or processor_config.json), as save_pretrained of CLIPModel and "
    "CLIPProcessor write them; a folder of sentence-transformers is st:FOLDER."
)


class ProcessorTransform:
    """An image processor of transformers as a transform of one image; a class, so that workers can pickle it.

    Args:
        processor: The image processor.
    """

    def __init__(self, processor: Any) -> None:  # noqa: ANN401 - transformers has one class a model
        self.processor = processor

    def __call__(self, image: Image) -> Tensor:
        """The (3, H, W) tensor of an RGB image."""
        pixels: Tensor = self.processor(image, return_tensors="pt").pixel_values[0]
        return pixels


class TransformersBackbone(FrozenBackbone):
    """A frozen `transformers.CLIPModel`; satisfies `Backbone`.

    Args:
        name: The name under which it was asked for.
        model: The CLIP model.
        tokenizer: Its tokeniser.
        processor: Its image processor.
    """

    reads_causally = True

    def __init__(self, name: str, model: nn.Module, tokenizer: Any, processor: Any) -> None:  # noqa: ANN401
        super().__init__(name, model, ProcessorTransform(processor))
        self._tokenizer = tokenizer
        self.image_mean = tuple(processor.image_mean)
        self.image_std = tuple(processor.image_std)
        text, vision = self.model.config.text_config, self.model.config.vision_config
        self.embed_dim = int(self.model.config.projection_dim)
        self.input_size = int(vision.image_size)
        self.context_length = min(int(text.max_position_embeddings), int(tokenizer.model_max_length))
        self.logit_scale = float(self.model.logit_scale.exp())
        preprocessing = {key: value for key, value in processor.to_dict().items() if key not in _CLASS_NAMES}
        settings = {
            "family": "transformers",
            "towers": [{key: getattr(tower, key, None) for key in _ARCHITECTURE} for tower in (text, vision)],
            "preprocessing": {"class": type(processor).__name__} | preprocessing,
        }
        self.fingerprint = self._fingerprint(settings)

    def token_count(self, text: str) -> int:
        """Length of a text in tokens, start and end included, before any truncation."""
        # `verbose` is the tokeniser's own switch for its warning about texts beyond the context.
        return len(self._tokenizer(text, verbose=False).input_ids)

    @cached_property
    def image_token_shape(self) -> tuple[int, int]:
        """Number t and width c of an image's tokens, from the table of positions, which has one more than the grid."""
        positions, width = self.model.vision_model.embeddings.position_embedding.weight.shape
        return int(positions) - 1, int(width)

    def _tokens(self, texts: list[str]) -> Int[Tensor, "b t"]:
        tokens: Tensor = self._tokenizer(
            texts, padding="max_length", truncation=True, max_length=self.context_length, return_tensors="pt"
        ).input_ids
        return tokens

    def _image_features(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        features: Tensor = self.model.visual_projection(self.model.vision_model(pixel_values=images).pooler_output)
        return features

    def _image_grid(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b t c"]:
        tower = self.model.vision_model
        grid: Tensor = tower.post_layernorm(tower(pixel_values=images).last_hidden_state)[:, 1:]
        return grid

    def _text_features(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        # No mask: attention is causal and the embedding is read at the end token, which padding follows.
        features: Tensor = self.model.text_projection(self.model.text_model(input_ids=tokens).pooler_output)
        return features


def load_transformers(name: str, place: str, **where: Any) -> TransformersBackbone:  # noqa: ANN401 - passed on
    """Load a CLIP of transformers, on the CPU in float32.

    Args:
        name: The name under which it was asked for.
        place: A folder, or a repository of the Hugging Face Hub.
        where: `subfolder`, `cache_dir` and `local_files_only`, as `from_pretrained` takes them.

    Raises:
        BackboneNotFoundError: If a file is missing or damaged, or the model is not a CLIP.
    """
    from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, CLIPModel

    clip: Any = CLIPModel  # whose annotations do not know of the report
    where["trust_remote_code"] = False  # a checkpoint of a stranger's may name it
    with without_loading_bars():
        with reading(f"config.json of backbone {name!r}", _REMEDY):
            config = AutoConfig.from_pretrained(place, **where)
        if config.model_type != "clip":
            raise BackboneNotFoundError(
                f"Backbone {name!r} is a model of type {config.model_type!r}, not a CLIP: its config.json must say "
                "model_type 'clip'."
            )
        with reading(f"The weights of backbone {name!r}", _REMEDY):
            model, report = clip.from_pretrained(place, output_loading_info=True, **where)
        with reading(f"The tokenizer of backbone {name!r}", _REMEDY):
            tokenizer = AutoTokenizer.from_pretrained(place, **where)
        with reading(f"The image preprocessor of backbone {name!r}", _REMEDY):
            processor = AutoImageProcessor.from_pretrained(place, **where)
    if report["missing_keys"]:
        raise BackboneNotFoundError(
            f"The weights of backbone {name!r} lack {listed(sorted(report['missing_keys']), 3)}. {_REMEDY}"
        )
    if not knows_words(tokenizer, config.text_config.vocab_size):
        raise BackboneNotFoundError(
            f"The tokenizer of backbone {name!r} has {len(tokenizer)} tokens and its text tower "
            f"{config.text_config.vocab_size}: the tokenizer's files are missing or another model's. {_REMEDY}"
        )
    backbone = TransformersBackbone(name, model.float(), tokenizer, processor)
    require_plain_transform(backbone)
    return backbone
