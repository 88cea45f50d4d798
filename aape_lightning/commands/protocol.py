"""`aape protocol`: many trainings, one table."""

import argparse
from pathlib import Path

from aape_lightning.protocols.names import BASE_TO_NEW, TRAIN_TEST

__all__ = ["add_parser", "run_protocol"]

_PURPOSES = {
    BASE_TO_NEW: "train on the first half of the classes, test on each half",
    TRAIN_TEST: "train on the training part, test on the test part: retrieval, captioning, questions, any task",
}
_EXAMPLES = {
    BASE_TO_NEW: "--recipe caltech101 --method zero-shot --method aape --seeds 1 2 3 --out runs/base-to-new "
    "--backbone ViT-B/16 --data-root $DATA",
    TRAIN_TEST: "--recipe flickr8k_retrieval --method clip-retrieval --method aape-retrieval --seeds 1 2 3 "
    "--out runs/flickr8k --data-root $DATA --report",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape protocol` and its protocols to the command line."""
    protocol = commands.add_parser("protocol", help="run a protocol: many trainings, one table")
    protocols = protocol.add_subparsers(required=True, metavar="PROTOCOL")
    for name, purpose in _PURPOSES.items():
        epilog = f"Example: aape protocol {name} {_EXAMPLES[name]}"
        parser = protocols.add_parser(name, help=purpose, description=_sentence(purpose), epilog=epilog)
        _add_options(parser)
        parser.set_defaults(run=run_protocol, protocol=name)


def _sentence(purpose: str) -> str:
    return f"{purpose[0].upper()}{purpose[1:]}."


def _add_options(parser: argparse.ArgumentParser) -> None:
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


def run_protocol(options: argparse.Namespace) -> None:
    """Run the jobs of a protocol and print its tables."""
    from aape_lightning import runner

    runner.run_protocol(
        options.protocol,
        options.recipe,
        options.methods,
        options.seeds,
        options.out,
        backbone=options.backbone,
        data_root=options.data_root,
        overrides=options.overrides,
        report=options.report,
    )
