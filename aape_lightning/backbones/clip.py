"""OpenAI's CLIP models through clip-anytorch: by name, or from a state dict in OpenAI's format."""

import warnings
from collections.abc import Callable

from jaxtyping import Float, Int
from PIL.Image import Image
from torch import Tensor, nn

from aape_lightning.backbones.base import FrozenBackbone
from aape_lightning.backbones.fingerprints import fingerprint
from aape_lightning.backbones.vit import vit_tokens

with warnings.catch_warnings():
    # clip-anytorch 2.6.0 imports pkg_resources, which warns of its own end; our bound on setuptools keeps it.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    import clip

__all__ = ["ClipBackbone", "clip", "fingerprint"]


class ClipBackbone(FrozenBackbone):
    """A frozen CLIP of OpenAI's architecture (ModifiedResNet or ViT); satisfies `Backbone`.

    Its fingerprint is that of the weights alone: all models of this family share one transform and one tokeniser.

    Args:
        name: The name under which it was asked for.
        model: The CLIP model, as `clip.load` returns it.
        transform: The model's evaluation transform, as `clip.load` returns it.
    """

    reads_causally = True
    image_mean = (0.48145466, 0.4578275, 0.40821073)
    image_std = (0.26862954, 0.26130258, 0.27577711)

    def __init__(self, name: str, model: nn.Module, transform: Callable[[Image], Tensor]) -> None:
        super().__init__(name, model, transform)
        self.fingerprint = fingerprint(model.state_dict())
        self.embed_dim = int(self.model.text_projection.shape[1])
        self.input_size = int(self.model.visual.input_resolution)
        self.context_length = int(self.model.context_length)
        self.logit_scale = float(self.model.logit_scale.exp())

    def token_count(self, text: str) -> int:
        """Length of a text in tokens, start and end included, before any truncation."""
        return len(clip.clip._tokenizer.encode(text)) + 2

    def _tokens(self, texts: list[str]) -> Int[Tensor, "b t"]:
        tokens: Tensor = clip.tokenize(texts, context_length=self.context_length, truncate=True)
        return tokens

    def _image_features(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        visual = self.model.visual
        if not isinstance(visual, clip.model.VisionTransformer):
            return super()._image_features(images)
        features: Tensor = vit_tokens(visual, images, kept=slice(0, 1))[:, 0] @ visual.proj
        return features

    def _image_grid(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b t c"]:
        visual = self.model.visual
        if isinstance(visual, clip.model.ModifiedResNet):
            return self._output_of(visual.layer4, images).flatten(2).mT
        return vit_tokens(visual, images, kept=slice(1, None))

    def _output_of(self, module: nn.Module, images: Float[Tensor, "b 3 h w"]) -> Tensor:
        """What a module of the image tower hands on: the tower itself gives its last output alone."""
        outputs: list[Tensor] = []
        handle = module.register_forward_hook(lambda module, inputs, output: outputs.append(output))
        try:
            self.model.encode_image(images)
        finally:
            handle.remove()
        return outputs[0]
