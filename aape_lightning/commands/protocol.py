"""`aape protocol`: many trainings, one table."""

import argparse
from pathlib import Path

__all__ = ["add_parser", "run_base_to_new"]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape protocol` and its protocols to the command line."""
    protocol = commands.add_parser("protocol", help="run a protocol: many trainings, one table")
    protocols = protocol.add_subparsers(required=True, metavar="PROTOCOL")
    parser = protocols.add_parser(
        "base-to-new",
        help="train on the first half of the classes, test on each half",
        epilog="Example: aape protocol base-to-new --recipe caltech101 --method zero-shot --method aape "
        "--seeds 1 2 3 --out runs/base-to-new --backbone ViT-B/16 --data-root $DATA",
    )
    parser.add_argument("--recipe", required=True, help="path or short name of a recipe")
    parser.add_argument(
        "--method", action="append", required=True, dest="methods", help="path or short name of a method; repeatable"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="seeds of draw and training (1 2 3)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--backbone", help="short for --data.backbone")
    parser.add_argument("--data-root", help="short for --data.root")
    parser.add_argument("--report", action="store_true", help="write the report too, as aape report OUT does")
    parser.add_argument("overrides", nargs=argparse.REMAINDER, help="last, further keys as for aape fit")
    parser.set_defaults(run=run_base_to_new)


def run_base_to_new(options: argparse.Namespace) -> None:
    """Run the jobs of the base-to-new protocol and print the table."""
    from aape_lightning import runner

    runner.run_base_to_new(
        options.recipe,
        options.methods,
        options.seeds,
        options.out,
        backbone=options.backbone,
        data_root=options.data_root,
        overrides=options.overrides,
        report=options.report,
    )
