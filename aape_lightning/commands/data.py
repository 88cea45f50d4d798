"""`aape data`: draws and checks of datasets; needs no model, and for draws no images."""

import argparse
import json
from pathlib import Path

__all__ = ["add_parser", "run_check", "run_draw"]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape data` and its commands to the command line."""
    data = commands.add_parser("data", help="draw few-shot sets, check a dataset")
    subcommands = data.add_subparsers(required=True, metavar="COMMAND")

    draw = subcommands.add_parser("draw", help="print CoOp's few-shot draw as JSON (needs the split file only)")
    _add_dataset(draw)
    draw.add_argument("--shots", type=int, help="training images a class; 0 for all")
    draw.add_argument("--seed", type=int, help="seed of the draw; CoOp's are 1, 2 and 3")
    draw.add_argument("--from", dest="file", type=Path, help="an existing draw (JSON or CoOp's pickle) instead")
    draw.add_argument("--split-file", type=Path, help="a split file to read instead of the manifest's")
    draw.set_defaults(run=run_draw)

    check = subcommands.add_parser("check", help="check that every class and every listed file is there and decodes")
    _add_dataset(check)
    check.add_argument(
        "--decode", choices=["all", "sample", "none"], default="all", help="which images are decoded (all)"
    )
    check.set_defaults(run=run_check)


def _add_dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", required=True, help="short name or path of a manifest")
    parser.add_argument("--root", type=Path, default=Path(), help="the data root (CoOp's $DATA)")


def run_draw(options: argparse.Namespace) -> None:
    """Print one draw: relative paths of the training and validation images, in draw order."""
    from aape_lightning.data.draw_files import read_draw
    from aape_lightning.data.draws import draw
    from aape_lightning.data.manifests import load_manifest
    from aape_lightning.data.readers import read_split
    from aape_lightning.errors import DataError

    split = read_split(load_manifest(options.manifest), options.root, options.split_file)
    if options.file is None and (options.shots is None or options.seed is None):
        raise DataError("aape data draw needs --shots and --seed, or --from FILE.")
    drawn = draw(split, options.shots, options.seed) if options.file is None else read_draw(options.file, split)
    paths = {"train": [item.path for item in drawn.train], "val": [item.path for item in drawn.val]}
    print(json.dumps(paths, indent=2, ensure_ascii=False))


def run_check(options: argparse.Namespace) -> None:
    """Print a table of what a dataset holds, and fail with a list of what is wrong."""
    from rich.console import Console

    from aape_lightning.data.check import check_dataset
    from aape_lightning.data.manifests import load_manifest
    from aape_lightning.errors import DataError

    report = check_dataset(load_manifest(options.manifest), options.root, decode=options.decode)
    Console().print(report.table())
    if report.faults:
        shown = "\n".join(f"  {fault}" for fault in report.faults[:20])
        more = f"\n  and {len(report.faults) - 20} more" if len(report.faults) > 20 else ""
        raise DataError(f"{len(report.faults)} faults in {report.title}:\n{shown}{more}")
