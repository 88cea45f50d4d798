"""`aape protocol`: many trainings, one table."""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aape_lightning.commands.exits import Exit
from aape_lightning.commands.help_format import examples
from aape_lightning.commands.keys import FURTHER_KEYS
from aape_lightning.errors import RecipeError
from aape_lightning.protocols.names import (
    BASE_TO_NEW,
    COST,
    CROSS_DATASET,
    DOMAIN_GENERALIZATION,
    FEW_SHOT,
    SWEEP,
    TRAIN_TEST,
    TRANSFERS,
)
from aape_lightning.resources import method_path, recipe_path, written_path

if TYPE_CHECKING:  # help is quick without them
    from aape_lightning.protocols.jobs import Value
    from aape_lightning.runner import Request

__all__ = ["add_parser", "run_protocol", "run_written"]

_PURPOSES = {
    BASE_TO_NEW: "train on the first half of the classes, test on each half",
    TRAIN_TEST: "train on the training part, test on the test part: retrieval, captioning, questions, any task",
    FEW_SHOT: "train with 1, 2, 4, 8 and 16 images a class, test on all classes",
    DOMAIN_GENERALIZATION: "train on a dataset, test on the same classes in other domains",
    CROSS_DATASET: "train on a dataset, test on others with other classes",
    SWEEP: "run a protocol for each value of any key of a recipe",
    COST: "count and time what each method costs to train and to use",
}
_EXAMPLES = {
    BASE_TO_NEW: "--recipe caltech101 --recipe dtd --method zero-shot --method coop --method aape --seeds 1 2 3 "
    "--out runs/base-to-new --data-root $DATA --jobs 2",
    TRAIN_TEST: "--recipe flickr8k_retrieval --method clip-retrieval --method aape-retrieval --seeds 1 2 3 "
    "--out runs/flickr8k --data-root $DATA --report",
    FEW_SHOT: "--recipe caltech101 --method tip-adapter-f --method aape --out runs/few-shot --data-root $DATA",
    DOMAIN_GENERALIZATION: "--recipe pacs --method zero-shot --method aape --out runs/pacs --data-root $DATA "
    "--data.manifest pacs/photo",
    CROSS_DATASET: "--recipe imagenet --method coop --method aape --out runs/cross --data-root $DATA "
    "--targets caltech101 dtd eurosat",
    SWEEP: "--recipe shapes --method aape --vary model.distillation_weight 0 1 3 5 9 --out runs/lambda --report",
    COST: "--recipe caltech101 --method coop --method cocoop --method aape --seeds 1 --out runs/cost --data-root $DATA",
}
_SHOTS = [1, 2, 4, 8, 16]
_TARGETS_HELP = "manifests to test on (default: the source's other domains, or CoOp's ten other datasets)"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape protocol` and its protocols to the command line."""
    protocol = commands.add_parser(
        "protocol",
        help="run a protocol: many trainings, one table",
        description="Run a protocol: train and test each method on each dataset for each seed, and print one table. "
        "What is done already is not done again.",
        epilog=examples(
            "aape protocol base-to-new --recipe shapes --method zero-shot --method aape --out runs/shapes --report",
            "aape protocol run lambda --recipe shapes --out runs/lambda --report",
        ),
    )
    protocols = protocol.add_subparsers(required=True, metavar="PROTOCOL")
    for name, purpose in _PURPOSES.items():
        epilog = f"{FURTHER_KEYS}\n\n{examples(f'aape protocol {name} {_EXAMPLES[name]}')}"
        parser = protocols.add_parser(name, help=purpose, description=_sentence(purpose), epilog=epilog)
        _add_options(parser, name)
        parser.set_defaults(run=run_protocol, protocol=name, overrides=[])
    _add_written(protocols)


def _sentence(purpose: str) -> str:
    return f"{purpose[0].upper()}{purpose[1:]}."


def _add_options(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument(
        "--recipe",
        action="append",
        required=True,
        dest="recipes",
        metavar="R",
        help="path or short name of a recipe; repeatable",
    )
    parser.add_argument(
        "--method",
        action="append",
        required=True,
        dest="methods",
        metavar="M",
        help="path or short name of a method; repeatable",
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N", help="seeds of draw and training"
    )
    if name == FEW_SHOT:
        parser.add_argument("--shots", type=int, nargs="+", default=_SHOTS, metavar="N", help="images a class")
    if name == SWEEP:
        parser.add_argument(
            "--vary", nargs="+", action="append", required=True, metavar=("KEY", "VALUE"),
            help="a dotted key and its values, such as model.lr 1e-4 1e-3; repeatable, for every combination",
        )  # fmt: skip
        parser.add_argument(
            "--over",
            default=BASE_TO_NEW,
            choices=(BASE_TO_NEW, TRAIN_TEST),
            help="the protocol to run for each",
        )
    if name in TRANSFERS:
        parser.add_argument("--targets", nargs="+", default=[], metavar="M", help=_TARGETS_HELP)
    _add_running(parser)


def _add_running(parser: argparse.ArgumentParser) -> None:
    """How a protocol is run, whatever it is."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results")
    parser.add_argument("--backbone", metavar="NAME", help="short for --data.backbone (default: the recipe's)")
    parser.add_argument("--data-root", metavar="DIR", help="short for --data.root (default: the recipe's)")
    parser.add_argument(
        "--jobs", type=_count, default=1, metavar="N", help="jobs at a time; each has its share of the cores, or a GPU"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the jobs and what is done of them; run none")
    parser.add_argument("--json", action="store_true", help="print the results as JSON, and the tables on stderr")
    parser.add_argument("--report", action="store_true", help="write the report too, as aape report OUT does")


def _count(text: str) -> int:
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of jobs; 1 is the least")
    return count


def _add_written(protocols: Any) -> None:  # noqa: ANN401 - argparse's own private class
    purpose = "run a protocol as a file states it: protocol, recipes, methods, seeds"
    parser = protocols.add_parser(
        "run",
        help=purpose,
        description=f"{_sentence(purpose)} The paper's tables and figures, and our own studies, ship as such files.",
        epilog=f"{FURTHER_KEYS}\n\n"
        + examples(
            "aape protocol run lambda --recipe shapes --out runs/lambda --report",
            "aape protocol run base_to_new --data-root $DATA --out runs/paper/base_to_new --jobs 4 --report",
        ),
    )
    parser.add_argument(
        "file", metavar="FILE", help="path or short name of the file, under recipes/paper or recipes/studies"
    )
    parser.add_argument(
        "--recipe", action="append", dest="recipes", metavar="R", help="instead of the file's recipes; repeatable"
    )
    parser.add_argument(
        "--method", action="append", dest="methods", metavar="M", help="instead of the file's methods; repeatable"
    )
    parser.add_argument("--seeds", type=int, nargs="+", metavar="N", help="instead of the file's seeds")
    _add_running(parser)
    parser.set_defaults(run=run_written, overrides=[])


def run_protocol(options: argparse.Namespace) -> None:
    """Run the jobs of a protocol and print its tables."""
    _look_up(options)
    from aape_lightning.runner import Request

    vary = _varied(getattr(options, "vary", []))
    if hasattr(options, "shots"):
        vary = {"data.shots": list(dict.fromkeys(options.shots))}
    chosen = {name: getattr(options, name) for name in ("over", "targets") if hasattr(options, name)}
    request = Request(
        protocol=options.protocol,
        recipes=options.recipes,
        methods=options.methods,
        seeds=options.seeds,
        out=options.out,
        vary=vary,
        backbone=options.backbone,
        data_root=options.data_root,
        overrides=options.overrides,
        **chosen,
    )
    _run(request, options)


def _look_up(options: argparse.Namespace) -> None:
    """Find recipes and methods by their names before anything heavy is imported."""
    for name in options.recipes or ():
        recipe_path(name)
    for name in options.methods or ():
        method_path(name)


def _varied(given: Sequence[Sequence[str]]) -> "dict[str, list[Value]]":
    from aape_lightning.protocols.written import parse_value

    for key, *values in given:
        if not values:
            raise RecipeError(f"--vary {key} names no values; give it some: --vary {key} V1 V2 ...")
    return {key: [parse_value(value) for value in values] for key, *values in given}


def run_written(options: argparse.Namespace) -> None:
    """Run a protocol that is written down in a file."""
    written_path(options.file)
    _look_up(options)
    from aape_lightning.protocols.written import read_written
    from aape_lightning.runner import Request

    written = read_written(options.file)
    request = Request(
        protocol=written.protocol,
        recipes=options.recipes or written.recipes,
        methods=options.methods or written.methods,
        seeds=options.seeds or written.seeds,
        out=options.out,
        vary=written.vary,
        over=written.over,
        targets=written.targets,
        backbone=options.backbone,
        data_root=options.data_root,
        overrides=[*written.arguments(), *options.overrides],
    )
    _run(request, options)


def _run(request: "Request", options: argparse.Namespace) -> None:
    from aape_lightning.commands.protocol_json import print_outcome, print_states
    from aape_lightning.runner import run_protocol as run

    if options.json and options.dry_run:
        print_states(request)
        return
    try:
        with contextlib.redirect_stdout(sys.stderr) if options.json else contextlib.nullcontext():
            run(request, processes=options.jobs, dry_run=options.dry_run, report=options.report)
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, SystemExit) and not isinstance(end.__context__, KeyboardInterrupt):
            raise  # Lightning ends a training that is interrupted by leaving the program
        print("aape: interrupted. Complete results stay; the same command runs what is missing.", file=sys.stderr)
        sys.exit(Exit.INTERRUPTED)
    if options.json:
        print_outcome(request, report=options.report)
