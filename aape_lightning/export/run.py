"""An export from checkpoint to checked file."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from aape_lightning.backbones.base import FrozenBackbone
from aape_lightning.backbones.recorded import recorded_backbone
from aape_lightning.errors import ExportError, did_you_mean
from aape_lightning.export.check import TOLERANCE, can_check, largest_difference, open_program
from aape_lightning.export.facts import write_facts
from aape_lightning.export.program import WHATS, Program, What
from aape_lightning.export.programs import build_program
from aape_lightning.export.write import SUFFIXES, Format, write_program
from aape_lightning.files import atomic_path
from aape_lightning.inference.saved import read_saved

__all__ = ["Exported", "export"]


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        program: What it holds.
        files: The exported file, and what lies beside it.
        difference: The largest difference from PyTorch over random inputs; None where nothing here can run the file.
        notes: What a user should know, each a sentence.
    """

    program: Program
    files: list[Path]
    difference: float | None
    notes: list[str]


def export(
    checkpoint: Path,
    out: Path,
    what: What = "classifier",
    form: Format = "onnx",
    *,
    backbone: str | None = None,
    opset: int | None = None,
) -> Exported:
    """Export a part of a trained task, and check the file against PyTorch before it takes its name.

    Args:
        checkpoint: A run's `aape.ckpt` or `last.ckpt`, its folder, or a shared folder.
        out: The file to write, `.onnx` or `.pt2`; its JSON is written beside it.
        what: See `build_program`.
        form: `onnx` or `torch`.
        backbone: Name or path for `load_backbone`; by the name in the checkpoint where None.
        opset: ONNX's version of its operators; torch's choice where None.

    Raises:
        CheckpointError: If nothing can be read there.
        BackboneNotFoundError: If the backbone cannot be had.
        BackboneMismatchError: If it has other weights than the one trained on.
        ExportError: If the task has no such part, what the format needs is not installed, the file's suffix is another
            format's, or the file disagrees with PyTorch by more than 1e-4.
    """
    _check(out, what, form)
    saved = read_saved(checkpoint)
    towers = None
    if what != "head":
        towers = cast(FrozenBackbone, recorded_backbone(saved.backbone_spec, backbone, str(checkpoint))).to("cpu")
    program = build_program(what, saved, towers)
    difference = None
    with atomic_path(out) as temporary:
        write_program(program, temporary, form, opset=opset)
        if can_check(form):
            difference = _agreed(largest_difference(open_program(temporary, form), program))
    notes = []
    if difference is None:
        notes.append("Not checked, since onnxruntime is not installed: pip install 'aape-lightning[export]'.")
    if "class_embeddings" in program.inputs and "class_embeddings" not in saved.tensors:
        notes.append("The checkpoint records no class embeddings: bring your own, or train again with this version.")
    return Exported(program, [out, *write_facts(out, program, form, saved, towers, difference)], difference, notes)


def _check(out: Path, what: str, form: Format) -> None:
    if what not in WHATS:
        raise ExportError(f"what is {what!r}; it must be one of {', '.join(WHATS)}.{did_you_mean(what, WHATS)}")
    if form not in SUFFIXES:
        raise ExportError(f"The format is {form!r}; it must be 'onnx' or 'torch'.")
    if out.suffix != SUFFIXES[form]:
        raise ExportError(f"A file of --format {form} ends in {SUFFIXES[form]}, and {str(out)!r} (--out) does not.")


def _agreed(difference: float) -> float:
    if not difference <= TOLERANCE:  # not a number is no agreement either
        raise ExportError(
            f"The written program differs from PyTorch by {difference:.2e}, more than {TOLERANCE:.0e}; no file was "
            "written. Try --format torch, or another --opset."
        )
    return difference
