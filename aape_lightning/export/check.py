"""A written program against PyTorch, on random inputs of sizes that it was not traced at."""

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from aape_lightning.errors import ExportError
from aape_lightning.export.program import Program
from aape_lightning.export.write import Format

__all__ = ["SIZES", "TOLERANCE", "can_check", "largest_difference", "open_program"]

TOLERANCE = 1e-4
SIZES = (
    {"batch": 1, "classes": 1000},
    {"batch": 2, "classes": 1},
    {"batch": 5, "classes": 2},
    {"batch": 16, "classes": 100},
)

Opened = Callable[[Mapping[str, Tensor]], list[Tensor]]


def can_check(form: Format) -> bool:
    """Whether files of a format can be run here: ONNX's need onnxruntime."""
    return form == "torch" or find_spec("onnxruntime") is not None


def open_program(path: Path, form: Format) -> Opened:
    """A written program as a function of its inputs by name, on the CPU.

    Raises:
        ExportError: If onnxruntime is not installed.
    """
    return _open_onnx(path) if form == "onnx" else _open_torch(path)


@torch.no_grad()
def largest_difference(opened: Opened, program: Program, sizes: Sequence[Mapping[str, int]] = SIZES) -> float:
    """The largest difference of any output from what the project computes, over random inputs.

    Args:
        opened: The written program.
        program: What was written.
        sizes: For each input the sizes of the axes `batch` and `classes`.
    """
    largest = 0.0
    for seed, drawn in enumerate(sizes, start=1):
        inputs = program.draw(drawn, seed)
        expected = program.reference(*inputs.values())
        for found, wanted in zip(opened(inputs), expected, strict=True):
            if found.shape != wanted.shape:
                raise ExportError(
                    f"The written program gives {tuple(found.shape)} where {tuple(wanted.shape)} is right, of inputs "
                    f"of the sizes {dict(drawn)}. Report it with the versions of `pip list`; no file was written."
                )
            difference = (found - wanted).abs().max().item()
            largest = difference if difference != difference else max(largest, difference)
    return largest


def _open_onnx(path: Path) -> Opened:
    try:
        import onnxruntime
    except ImportError as error:
        raise ExportError(
            "ONNX files are run by onnxruntime, which is not installed: pip install 'aape-lightning[export]'."
        ) from error
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        found = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
        return [torch.from_numpy(output) for output in found]

    return run


def _open_torch(path: Path) -> Opened:
    with path.open("rb") as file:  # of a path the suffix must be .pt2, and a file that is being written has another
        module = torch.export.load(file).module()

    def run(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        outputs = module(*inputs.values())
        return list(outputs) if isinstance(outputs, tuple) else [outputs]

    return run
