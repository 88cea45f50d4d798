"""The frozen towers, and what follows them, as modules that can be traced for any number of images or texts."""

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from aape_lightning.backbones import ClipBackbone
from aape_lightning.backbones.base import FrozenBackbone

__all__ = ["Classifier", "Embedder", "ImageTower", "TextTower"]


class ImageTower(nn.Module):
    """A backbone's image tower.

    Args:
        backbone: The backbone.
    """

    def __init__(self, backbone: FrozenBackbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, image: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b d"]:
        """Unit-norm embeddings of transformed images."""
        if isinstance(self.backbone, ClipBackbone):
            # clip-anytorch's own forward: the quicker one of `backbones.vit` would fix the number of images in a trace.
            return F.normalize(self.backbone.model.encode_image(image).float(), dim=-1)
        return self.backbone.encode_image(image)


class TextTower(nn.Module):
    """A backbone's text tower over whole contexts: how far padding reaches is a number that no trace can hold.

    Args:
        backbone: The backbone.
    """

    def __init__(self, backbone: FrozenBackbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        """Unit-norm embeddings of tokenised texts."""
        return F.normalize(self.backbone._text_features(tokens).float(), dim=-1)


class Embedder(nn.Module):
    """The image tower and what follows it.

    Args:
        backbone: Whose image tower it is.
        after: Embeddings to embeddings.
    """

    def __init__(self, backbone: FrozenBackbone, after: nn.Module) -> None:
        super().__init__()
        self.tower, self.after = ImageTower(backbone), after

    def forward(self, image: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b d"]:
        """The embedding of transformed images."""
        embedding: Tensor = self.after(self.tower(image))
        return embedding


class Classifier(nn.Module):
    """The image tower and the head.

    Args:
        backbone: Whose image tower it is.
        scores: The head.
    """

    def __init__(self, backbone: FrozenBackbone, scores: nn.Module) -> None:
        super().__init__()
        self.tower, self.scores = ImageTower(backbone), scores

    def forward(
        self, image: Float[Tensor, "b 3 s s"], class_embeddings: Float[Tensor, "c d"]
    ) -> tuple[Float[Tensor, "b c"], Float[Tensor, "b c"]]:
        """Logits and probabilities of transformed images over classes."""
        scores: tuple[Tensor, Tensor] = self.scores(self.tower(image), class_embeddings)
        return scores
