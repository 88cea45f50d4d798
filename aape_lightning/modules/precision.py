"""The precision that aggregator, generator and projections compute in: at least float32, whatever the Trainer's.

Half precision is for frozen towers and language models, and for what leads into these or is as wide: the maps of a soft
prefix and the answer head. The modules of the method are so small that it would save nothing, and CLIP's logits are
cosines times 100: bfloat16's 8 bits leave an error of a quarter in them.
"""

from functools import reduce

import torch
from torch import Tensor

__all__ = ["at_least_float32", "without_autocast"]


def at_least_float32(*tensors: Tensor) -> torch.dtype:
    """The dtype to compute in with these tensors: float32, or float64 where one of them is."""
    return reduce(torch.promote_types, (tensor.dtype for tensor in tensors), torch.float32)


def without_autocast(tensor: Tensor) -> torch.autocast:
    """A context in which no operation on the tensor's device is cast."""
    return torch.autocast(tensor.device.type, enabled=False)
