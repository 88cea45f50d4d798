"""`aape metrics retrieval`: recall and median rank from two files of embeddings."""

import argparse
from pathlib import Path

from aape_lightning.commands.help_format import examples
from aape_lightning.commands.metrics.options import add_out, check_files, naming
from aape_lightning.commands.metrics.output import give

__all__ = ["add_retrieval", "run_retrieval"]


def add_retrieval(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape metrics retrieval` to the command line."""
    parser = subcommands.add_parser(
        "retrieval",
        help="R@1, R@5, R@10 and median rank, both directions, from embeddings of images and captions",
        description="Score retrieval from embeddings of images and captions: R@1, R@5, R@10 and median rank, in both "
        "directions. Embeddings are compared by their cosines; an image is found by any of its captions; ties rank "
        "against you.",
        epilog=examples(
            "aape metrics retrieval --images images.npy --captions captions.npy",
            "aape metrics retrieval --images images.npy --captions captions.npy --owner owner.json --out scores.json",
        ),
    )
    parser.add_argument("--images", type=Path, required=True, metavar="I", help=".npy or .safetensors, an image a row")
    parser.add_argument("--captions", type=Path, required=True, metavar="C", help="the same, a caption a row")
    parser.add_argument(
        "--owner",
        type=Path,
        metavar="O",
        help=".npy or .json: the row of the image of each caption (default: equally many each, image by image)",
    )
    add_out(parser)
    parser.set_defaults(run=run_retrieval)


def run_retrieval(options: argparse.Namespace) -> None:
    """Score, print a table, and write `--out`.

    Raises:
        DataError: If a file is missing or malformed, or the files do not belong together.
        MetricError: If a value is not finite, or an image has no caption.
    """
    from torch.nn import functional as F

    from aape_lightning.commands.metrics.embeddings import equal_owners, read_embeddings, read_owners
    from aape_lightning.errors import DataError
    from aape_lightning.metrics import retrieval_scores

    check_files(images=options.images, captions=options.captions, owner=options.owner)
    images, captions = read_embeddings(options.images), read_embeddings(options.captions)
    if images.shape[1] != captions.shape[1]:
        raise DataError(
            f"The embeddings in {str(options.images)!r} are {images.shape[1]} wide and those in "
            f"{str(options.captions)!r} {captions.shape[1]}: they are not from one backbone."
        )
    m = len(captions)
    owner = equal_owners(len(images), m) if options.owner is None else read_owners(options.owner, m)
    images, captions = F.normalize(images.float()), F.normalize(captions.float())
    with naming(options.images, options.captions, options.owner):
        scores = retrieval_scores(images, captions, owner)
    names = [name.split("/")[1] for name in scores if name.startswith("image_to_text/")]
    rows = [
        [direction.replace("_", " "), *(_cell(name, scores[f"{direction}/{name}"]) for name in names)]
        for direction in ("image_to_text", "text_to_image")
    ]
    header = ["", *(f"{name} %" if name.startswith("recall") else name.replace("_", " ") for name in names)]
    found = {"scores": scores, "images": len(images), "captions": len(captions)}
    give(options, f"Retrieval, {len(images):,} images and {len(captions):,} captions", header, rows, found)


def _cell(name: str, value: float) -> str:
    return f"{100 * value:.2f}" if name.startswith("recall") else f"{value:g}"
