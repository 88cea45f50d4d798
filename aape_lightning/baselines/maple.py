"""MaPLe: prompts of the text tower, and of the image tower made from them (Khattak et al., CVPR 2023)."""

from copy import deepcopy

from jaxtyping import Float
from torch import Tensor, nn

from aape_lightning.backbones import BackboneSpec
from aape_lightning.baselines.multimodal import MultimodalPromptTask

__all__ = ["MaPLeTask"]


class MaPLeTask(MultimodalPromptTask):
    r"""Learns the text prompts P_i of the first J blocks and maps F_i that make the image prompts, by cross-entropy.

    .. math:: \tilde{P}_i = F_i(P_i), \quad i = 0, ..., J - 1

    P_0 starts from the context's first words ("a photo" of "a photo of a NAME."; "of a" stays as it is), the others
    from a normal distribution of deviation 0.02. The maps are linear, and those of the deeper blocks start alike, as
    the authors' do (https://github.com/muzairkhattak/multimodal-prompt-learning, trainers/maple.py).

    Args:
        context: The words ahead of the class's name.
        tokens: Prompts m in each block of each tower; the text tower's replace the context's first m words.
        depth: J, how many blocks have prompts of their own; at most all of the shorter tower.
        lr: The highest learning rate of `coop_learning_rate`.
        weight_decay: SGD's.
        backbone_spec: The backbone trained on; recorded by the first fit, not for users to set.
        sizes: Depth and widths of the prompts; recorded by the first fit, not for users to set.
    """

    maps: nn.ModuleList

    def __init__(
        self,
        *,
        context: str = "a photo of a",
        tokens: int = 2,
        depth: int = 9,
        lr: float = 3.5e-3,
        weight_decay: float = 5e-4,
        backbone_spec: dict[str, str | int | float] | None = None,
        sizes: dict[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.build_if_known()

    def build(self, spec: BackboneSpec, sizes: dict[str, int]) -> None:
        """Draw the text prompts and the maps."""
        depth, text_width, image_width = sizes["depth"], sizes["text_width"], sizes["image_width"]
        self.text_tokens = self.drawn(depth, text_width)
        first, deeper = nn.Linear(text_width, image_width), nn.Linear(text_width, image_width)
        self.maps = nn.ModuleList([first, *(deepcopy(deeper) for _ in range(depth - 1))])

    def image_prompts(self) -> list[Float[Tensor, "m v"]]:
        """F_0(P_0) ... F_{J-1}(P_{J-1})."""
        return [image_map(words) for image_map, words in zip(self.maps, self.text_tokens, strict=True)]
