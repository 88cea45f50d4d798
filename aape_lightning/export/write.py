"""Programs into files: ONNX, or a program of `torch.export`, with any number of images and of classes."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch

from aape_lightning.errors import ExportError
from aape_lightning.export.program import Program

__all__ = ["FORMATS", "SUFFIXES", "Format", "write_program"]

Format = Literal["onnx", "torch"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "torch": ".pt2"}
FORMATS = tuple(SUFFIXES)

_LARGEST_ONNX = 2**31 - 2**20  # a protobuf's length is an int32
# Small, and neither 0 nor 1, which a trace would take for constants; all different, for the same reason.
_TRACED_AT = {"batch": 3, "classes": 5}


def write_program(program: Program, path: Path, form: Format, *, opset: int | None = None) -> None:
    """Trace a program and write it into a file.

    Args:
        program: What to export.
        path: Where to.
        form: `onnx` (one file, weights included) or `torch` (read with `torch.export.load`).
        opset: ONNX's version of its operators; torch's choice where None.

    Raises:
        ExportError: If what ONNX needs is not installed, torch cannot write this opset, or the program does not fit
            into one file.
    """
    match form:
        case "onnx":
            _write_onnx(program, path, opset)
        case "torch":
            _write_torch(program, path)


def _write_onnx(program: Program, path: Path, opset: int | None) -> None:
    if sum(tensor.nbytes for tensor in program.module.state_dict().values()) > _LARGEST_ONNX:
        raise ExportError("ONNX holds at most 2 GiB in one file, and this backbone is larger. Use --format torch.")
    try:
        import onnx
        import onnxscript
    except ImportError as error:
        raise ExportError(
            f"--format onnx needs {error.name}, which is not installed: pip install 'aape-lightning[export]'. "
            "--format torch needs nothing more."
        ) from error
    del onnx, onnxscript
    with _without_chatter(), torch.no_grad():
        traced: Any = torch.onnx.export(
            program.module,
            tuple(program.draw(_TRACED_AT, seed=0).values()),
            dynamo=True,
            input_names=list(program.inputs),
            output_names=list(program.outputs),
            dynamic_shapes={name: _named_axes(given.shape) for name, given in program.inputs.items()},
            opset_version=opset,
            verbose=False,
        )
    written = traced.model.opset_imports[""]
    if opset not in (None, written):  # torch writes another where it cannot, and says so in a log alone
        raise ExportError(f"torch cannot write opset {opset} (--opset), and would write {written}. Leave --opset out.")
    traced.save(path, external_data=False)


def _write_torch(program: Program, path: Path) -> None:
    axes = {name: torch.export.Dim(name) for name in _TRACED_AT}
    shapes = {
        name: {place: axes[axis] for place, axis in _named_axes(given.shape).items()}
        for name, given in program.inputs.items()
    }
    with _without_chatter(), torch.no_grad():
        arguments = tuple(program.draw(_TRACED_AT, seed=0).values())
        traced = torch.export.export(program.module, arguments, dynamic_shapes=shapes)
        _drop_unused(traced)
        with path.open("wb") as file:
            torch.export.save(traced, file)


def _drop_unused(traced: torch.export.ExportedProgram) -> None:
    """Leave out the weights that the program does not read: of a backbone, those of its other tower."""
    placed = {node.name: node for node in traced.graph.nodes if node.op == "placeholder"}
    weights = traced.graph_signature.inputs_to_parameters | traced.graph_signature.inputs_to_buffers
    for name, weight in weights.items():
        if not placed[name].users and weight in traced.state_dict:
            traced.state_dict[weight] = torch.nn.Parameter(torch.empty(0), requires_grad=False)


def _named_axes(shape: tuple[int | str, ...]) -> dict[int, str]:
    return {place: axis for place, axis in enumerate(shape) if isinstance(axis, str)}


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Without the exporters' notes on their own work, none of which a user can act on."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
