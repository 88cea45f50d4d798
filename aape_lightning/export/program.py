"""What an export is: a module to be traced, the inputs that it takes, and what it must agree with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aape_lightning.backbones.base import FrozenBackbone

__all__ = ["WHATS", "Input", "Program", "What", "embeddings", "images", "texts"]

What = Literal["aape", "query", "image", "text", "classifier", "head"]
WHATS: tuple[What, ...] = get_args(What)


@dataclass(frozen=True)
class Input:
    """An input of a program.

    Attributes:
        shape: Its axes: a size, or the name of an axis of any size, `batch` or `classes`.
        draw: A random input, given the sizes of the named axes and a generator.
    """

    shape: tuple[int | str, ...]
    draw: Callable[[tuple[int, ...], torch.Generator], Tensor]

    def sized(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Its shape with sizes for the named axes."""
        return tuple(sizes[axis] if isinstance(axis, str) else axis for axis in self.shape)


@dataclass(frozen=True)
class Program:
    """A function of tensors to export.

    Attributes:
        what: Which one.
        module: The module to trace.
        reference: The same function as the rest of the project computes it; what the file must agree with.
        inputs: By name, in the order of the module's arguments.
        outputs: By name, in the order of the module's outputs: their axes.
    """

    what: What
    module: nn.Module
    reference: Callable[..., tuple[Tensor, ...]]
    inputs: dict[str, Input]
    outputs: dict[str, tuple[int | str, ...]]

    def draw(self, sizes: Mapping[str, int], seed: int) -> dict[str, Tensor]:
        """Random inputs.

        Args:
            sizes: Of the axes `batch` and `classes`.
            seed: Of what is drawn.
        """
        generator = torch.Generator().manual_seed(seed)
        return {name: given.draw(given.sized(sizes), generator) for name, given in self.inputs.items()}


def images(backbone: FrozenBackbone) -> Input:
    """Transformed images of a backbone; random ones are noise."""
    return Input(("batch", 3, backbone.input_size, backbone.input_size), _normal)


def embeddings(axis: str, width: int) -> Input:
    """Unit-norm embeddings, as many as the named axis has."""
    return Input((axis, width), _unit)


def texts(backbone: FrozenBackbone) -> Input:
    """Tokens over a backbone's whole context; random ones are of numbers, as long as fit in."""

    def draw(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        numbers = torch.randint(10, (shape[0], shape[1] // 2), generator=generator)
        return backbone.tokenize([" ".join(map(str, row)) for row in numbers.tolist()], truncate=True).long()

    return Input(("batch", backbone.context_length), draw)


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator)


def _unit(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return F.normalize(torch.randn(shape, generator=generator), dim=-1)
