"""`aape export`: towers, AAPE or the classifier into a file that runs without this package."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from aape_lightning.commands.help_format import examples

if TYPE_CHECKING:
    from aape_lightning.export import Exported

__all__ = ["add_parser", "run_export"]

# As `aape_lightning.export.program` and `.write` have them, whose imports take seconds.
_WHATS = ("classifier", "head", "aape", "query", "image", "text")
_SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape export` to the command line."""
    parser = commands.add_parser(
        "export",
        help="write classifier, AAPE or towers as ONNX or a torch.export program",
        description="Write a part of a trained run as a file that needs no aape_lightning, for any number of images "
        "and classes, and check it against PyTorch. Beside it lie FILE.json (preprocessing, class names, inputs and "
        "outputs) and, with classes, FILE.safetensors (their embeddings).\n\n"
        "  classifier  image, class embeddings -> logits, probabilities\n"
        "  head        image embedding, class embeddings -> logits, probabilities\n"
        "  aape        image -> AAPE h(x)\n"
        "  query       image -> what a retrieval run searches with\n"
        "  image       image -> image embedding x\n"
        "  text        tokens -> text embedding\n",
        epilog=examples(
            "aape export runs/caltech101/aape.ckpt --out caltech101.onnx",
            "aape export runs/caltech101/aape.ckpt --what aape --format torch --out aape.pt2",
        ),
    )
    parser.add_argument("checkpoint", metavar="CKPT", type=Path, help="a run's aape.ckpt, its folder, or a shared one")
    parser.add_argument("--what", choices=_WHATS, default="classifier", help="which part")
    parser.add_argument("--format", choices=tuple(_SUFFIXES), default="onnx", help="onnx (.onnx) or torch (.pt2)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the file (default: WHAT.onnx or WHAT.pt2, here)")
    parser.add_argument("--backbone", help="name or file of the backbone (default: by the name in the checkpoint)")
    parser.add_argument("--opset", type=int, metavar="N", help="ONNX's version of its operators (default: torch's)")
    parser.set_defaults(run=run_export)


def run_export(options: argparse.Namespace) -> None:
    """Write, check, and say what was written.

    Raises:
        CheckpointError: If nothing can be read from the checkpoint.
        BackboneNotFoundError: If the backbone cannot be had.
        BackboneMismatchError: If it has other weights than the one trained on.
        ExportError: If the run has no such part, or the file disagrees with PyTorch.
    """
    from aape_lightning.export import export

    out = options.out or Path(options.what + _SUFFIXES[options.format])
    exported = export(
        options.checkpoint, out, options.what, options.format, backbone=options.backbone, opset=options.opset
    )
    print("\n".join(_lines(exported)))


def _lines(exported: "Exported") -> list[str]:
    from aape_lightning.export.check import SIZES, TOLERANCE

    program, (file, *beside) = exported.program, exported.files
    inputs = ", ".join(f"{name} {_axes(given.shape)}" for name, given in program.inputs.items())
    outputs = ", ".join(f"{name} {_axes(shape)}" for name, shape in program.outputs.items())
    lines = [f"{program.what}: {inputs} -> {outputs}"]
    if exported.difference is not None:
        batches = ", ".join(str(sizes["batch"]) for sizes in SIZES)
        lines.append(
            f"Largest difference from PyTorch: {exported.difference:.1e} (at most {TOLERANCE:.0e} is accepted; random "
            f"inputs, batches of {batches})"
        )
    lines += [f"Note: {note}" for note in exported.notes]
    lines.append(f"Written: {file} ({file.stat().st_size / 1e6:.1f} MB)")
    return lines + [f"Beside it: {path}" for path in beside]


def _axes(shape: tuple[int | str, ...]) -> str:
    return f"({', '.join(map(str, shape))})"
