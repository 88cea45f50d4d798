"""`aape data draw`: few-shot draws as JSON; needs no model, and no images where there is a split file."""

import argparse
import json
from pathlib import Path

from aape_lightning.commands.data.options import add_dataset
from aape_lightning.commands.help_format import examples

__all__ = ["add_draw", "run_draw"]


def add_draw(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape data draw` to the command line."""
    draw = subcommands.add_parser(
        "draw",
        help="print CoOp's few-shot draw as JSON (needs the split file only)",
        description="Print the training and validation images that CoOp would draw, as JSON, for --data.draw_file. Of "
        "the dataset only the split file is needed.",
        epilog=examples(
            "aape data draw --manifest caltech101 --root $DATA --shots 16 --seed 1 > draw.json",
            "aape fit --config caltech101 --data.root $DATA --data.draw_file draw.json",
        ),
    )
    add_dataset(draw)
    draw.add_argument("--shots", type=int, metavar="N", help="training images a class; 0 for all")
    draw.add_argument("--seed", type=int, metavar="N", help="seed of the draw; CoOp's are 1, 2 and 3")
    draw.add_argument(
        "--from", dest="file", type=Path, metavar="FILE", help="an existing draw (JSON or CoOp's pickle) instead"
    )
    draw.add_argument("--split-file", type=Path, metavar="FILE", help="a split file to read instead of the manifest's")
    draw.set_defaults(run=run_draw)


def run_draw(options: argparse.Namespace) -> None:
    """Print one draw: relative paths of the training and validation images, in draw order."""
    from aape_lightning.data.draw_files import read_draw
    from aape_lightning.data.draws import draw
    from aape_lightning.data.manifests import load_manifest
    from aape_lightning.data.places import data_root
    from aape_lightning.data.readers import read_split
    from aape_lightning.errors import DataError

    manifest = load_manifest(options.manifest)
    split = read_split(manifest, data_root(manifest, options.root), options.split_file)
    if options.file is None and (options.shots is None or options.seed is None):
        raise DataError("aape data draw needs --shots and --seed, or --from FILE.")
    drawn = draw(split, options.shots, options.seed) if options.file is None else read_draw(options.file, split)
    paths = {"train": [item.path for item in drawn.train], "val": [item.path for item in drawn.val]}
    print(json.dumps(paths, indent=2, ensure_ascii=False))
