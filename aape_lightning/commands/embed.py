"""`aape embed`: embeddings of images as a file, for a vector index or for other programs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from aape_lightning.commands.help_format import examples
from aape_lightning.commands.on_images import DAMAGED, Work, add_options

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["add_parser", "run_embed"]

_SUFFIXES = (".npy", ".safetensors", ".csv")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape embed` to the command line."""
    parser = commands.add_parser(
        "embed",
        help="write embeddings of images to a file",
        description="Write unit-norm embeddings of images: AAPE h(x), or the image embeddings themselves. A .npy file "
        "holds a row an image, and the file beside it that ends in .paths.txt a path a line; a .safetensors file holds "
        "`embeddings`, and the paths as JSON in its metadata; a .csv file holds both. "
        f"{DAMAGED}",
        epilog=examples(
            "aape embed runs/birds/aape.ckpt photos --out birds.npy",
            "aape embed runs/flickr8k/aape.ckpt photos --kind query --out index.safetensors",
            "aape embed zero-shot photos --backbone ViT-B/16 --kind image --out clip.csv",
        ),
    )
    add_options(parser, out="where to: .npy, .safetensors or .csv", needs_out=True)
    parser.add_argument(
        "--kind",
        choices=["aape", "image", "query"],
        default="aape",
        help="h(x), the image embedding x, or what a retrieval run searches with",
    )
    parser.set_defaults(run=run_embed)


def run_embed(options: argparse.Namespace) -> None:
    """Embed, and write.

    Raises:
        AAPEError: As `AdaptedCLIP.embed`.
    """
    from rich.table import Table

    work = Work.begin(options, _SUFFIXES)
    with work.timed():
        embeddings = work.model.embed(work.images, options.kind, skip=work.skip)
    work.check()
    _write(options.out, embeddings, work)
    table = Table(box=None, show_header=False)
    table.add_row(f"{len(embeddings)} embeddings of width {embeddings.shape[1]} ({options.kind})")
    found = {"kind": options.kind, "images": work.done, "width": embeddings.shape[1], "out": str(options.out)}
    work.show(table, found)
    work.say(f"Written: {options.out}")
    work.end()


def _write(out: Path, embeddings: "Tensor", work: Work) -> None:
    import json

    import numpy as np
    import pandas as pd

    from aape_lightning.files import atomic_path, write_text
    from aape_lightning.tensor_files import save_tensors

    paths = work.done
    with atomic_path(out) as temporary:
        match out.suffix.lower():
            case ".npy":
                with temporary.open("wb") as file:
                    np.save(file, embeddings.numpy())
            case ".safetensors":
                told = {"paths": json.dumps(paths, ensure_ascii=False), "kind": work.options.kind}
                origin = {"checkpoint": work.model.source, "backbone": work.model.backbone.fingerprint}
                save_tensors({"embeddings": embeddings.contiguous()}, temporary, told | origin)
            case _:
                table = pd.DataFrame(embeddings.numpy(), columns=[str(k) for k in range(embeddings.shape[1])])
                table.insert(0, "image", paths)
                table.to_csv(temporary, index=False)
    if out.suffix.lower() == ".npy":
        write_text(out.with_suffix(".paths.txt"), "".join(f"{path}\n" for path in paths))
