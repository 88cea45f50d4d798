"""What a DataModule records for inference: what was around the task while it trained, and is in none of its weights."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

__all__ = ["Recorded"]


@dataclass(frozen=True)
class Recorded:
    """What inference needs of the data, to be saved beside the trained weights.

    Attributes:
        values: Plain values by name.
        tensors: Tensors by name, on the CPU.
    """

    values: dict[str, Any]
    tensors: dict[str, Tensor] = field(default_factory=dict)
