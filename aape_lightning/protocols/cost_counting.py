"""What a device has computed, and how much memory that took."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["PeakMemory", "counted_flops", "finished", "trained_parameters"]

_MIB = 2**20
_STATUS, _CLEAR, _HIGH_WATER_MARK = Path("/proc/self/status"), Path("/proc/self/clear_refs"), "5"


class _ForwardFlops(FlopCounterMode):
    """Leaves out what autograd computes: ProGrad takes its gradients inside the training step."""

    def _count_flops(self, func_packet: Any, out: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401
        in_backward = torch._C._current_graph_task_id() != -1
        return out if in_backward else super()._count_flops(func_packet, out, args, kwargs)


@contextmanager
def counted_flops() -> Iterator[FlopCounterMode]:
    """Counts the floating-point operations of the block's forward passes: a multiplication with its addition is two.

    Counted by torch's FlopCounterMode: matrix products, convolutions and attention. It does not see elementwise
    operations, softmax and norms, which are a percent or so of a transformer. Attention is computed in its plain form
    meanwhile, since the counter knows the CPU's fused form not at all.
    """
    with _ForwardFlops(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        yield counter


def trained_parameters(task: LightningModule) -> int:
    """How many trained parameters inference needs: the aggregator, which training alone needs, is not among them.

    The paper counts so as well (33k for h, 82k with g at d = 512).
    """
    return sum(
        parameter.numel()
        for name, parameter in task.named_parameters()
        if parameter.requires_grad and not name.startswith("aggregator.")
    )


def finished(device: torch.device) -> None:
    """Wait until the device has computed what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class PeakMemory:
    """The most memory held since it was made.

    On CUDA what torch allocates there. On the CPU the growth of the process's resident set, which Linux alone tells: it
    leaves out what was loaded before, such as the towers and stored embeddings, and memory that an earlier job of the
    same process has freed and that is used again, so it is a lower bound.

    Args:
        device: Where the work is done.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._before = self._peak = 0  # bytes
        self._is_told = self.resume()
        if self._is_told and device.type == "cpu":
            self._before = _status("VmRSS")

    def hold(self) -> None:
        """Leave out what comes until `resume`: counting operations takes memory of its own."""
        if self._is_told:
            self._peak = max(self._peak, self._mark())

    def resume(self) -> bool:
        """Go on from what is held now; false where the system does not tell."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            return True
        try:
            _CLEAR.write_text(_HIGH_WATER_MARK)
        except OSError:
            return False
        return self._device.type == "cpu"

    def mib(self) -> float | None:
        """MiB; None where the system does not tell."""
        self.hold()
        return (self._peak - self._before) / _MIB if self._is_told else None

    def _mark(self) -> int:
        return torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else _status("VmHWM")


def _status(key: str) -> int:
    found = re.search(rf"^{key}:\s*(\d+) kB", _STATUS.read_text(), flags=re.MULTILINE)
    if found is None:
        raise OSError(f"{_STATUS} has no {key}.")
    return int(found.group(1)) * 1024
