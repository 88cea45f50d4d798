"""`aape fit|validate|test|predict --help`: a page that is there at once, where LightningCLI's waits for its imports.

It also knows the options that these commands have, so that a misspelt one is refused before anything is imported.
"""

import argparse
from collections.abc import Mapping, Sequence

from aape_lightning.arguments import RUN_OPTIONS, expand_recipes
from aape_lightning.commands.help_format import examples
from aape_lightning.errors import did_you_mean

__all__ = ["HELP_ALL", "TRAINER_COMMANDS", "add_parser", "run_trainer"]

HELP_ALL = "--help-all"
_EVALUATED = "aape {} --config runs/birds/config.yaml --ckpt_path runs/birds/aape.ckpt"

TRAINER_COMMANDS: Mapping[str, str] = {
    "fit": "train a task as a recipe says",
    "validate": "evaluate a checkpoint on the validation images",
    "test": "evaluate a checkpoint on the test images",
    "predict": "write a checkpoint's predictions for the test images of a dataset",
}
_DESCRIPTIONS = {
    "fit": "Train a task as a recipe says. The run folder holds the configuration, the metrics and the checkpoints.",
    "validate": "Evaluate a checkpoint on the validation images of a dataset.",
    "test": "Evaluate a checkpoint on the test images of a dataset, and write result.json beside it.",
    "predict": "Write a checkpoint's predictions for the test images of a dataset as predictions.csv beside it. For "
    "images of your own there is aape classify.",
}
_EXAMPLES = {
    "fit": (
        "aape fit --config shapes",
        "aape fit --config caltech101 --data.root $DATA --data.classes base --run runs/caltech",
        "aape fit --config own --data.images ~/birds --data.prompts birds_sentences.json",
        "aape fit --config runs/birds/config.yaml --ckpt_path runs/birds/last.ckpt",
    ),
    "validate": (_EVALUATED.format("validate"),),
    "test": (
        _EVALUATED.format("test"),
        f"{_EVALUATED.format('test')} --data.classes new",
        "aape test --config shapes --model ZeroShotTask",
    ),
    "predict": (_EVALUATED.format("predict"),),
}
_DEEPER = """\
Every key of a recipe is an option, by its dotted name. To see them:
  a task's       aape {0} --model.help ClassificationTask
  a dataset's    aape {0} --data.help ClassificationDataModule
  Lightning's    aape {0} --help-all
  all, of a run  aape {0} --config shapes --print_config"""

_NESTED = ("--trainer", "--model", "--data")
# What other commands call it.
_ELSEWHERE = {
    "--recipe": "--config", "--out": "--run", "--backbone": "--data.backbone", "--data-root": "--data.root",
    "--root": "--data.root", "--manifest": "--data.manifest", "--shots": "--data.shots", "--seeds": "--seed_everything",
}  # fmt: skip


def run_trainer(options: argparse.Namespace) -> None:
    """Hand the command line over to LightningCLI; a misspelt option or recipe is told before anything is imported.

    Raises:
        RecipeError: If a recipe, a key or a value is refused.
    """
    _refuse_unknown(options.parser, options.words)
    expand_recipes(options.words)
    from aape_lightning.cli import main

    main([options.command, *("--help" if word == HELP_ALL else word for word in options.words)])


def _refuse_unknown(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """Leave with exit code 2 where an option's name is none, and the beginning of none."""
    for word in words:
        name = word.partition("=")[0]
        head, dot, key = name.partition(".")
        if not word.startswith("--") or head.removesuffix("+") in _NESTED:
            continue
        if not any(option.startswith(name) for option in (HELP_ALL, *RUN_OPTIONS)):
            known = [f"{head}.{key}" for head in _NESTED] if dot else [HELP_ALL, *RUN_OPTIONS, *_ELSEWHERE]
            hint = did_you_mean(name, known)
            for theirs, ours in _ELSEWHERE.items():
                hint = hint.replace(repr(theirs), repr(ours))
            parser.error(f"no option {name!r}.{hint}")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape fit`, `validate`, `test` and `predict` to the command line."""
    for name, purpose in TRAINER_COMMANDS.items():
        parser = commands.add_parser(
            name,
            help=purpose,
            description=_DESCRIPTIONS[name],
            epilog=f"{_DEEPER.format(name)}\n\n{examples(*_EXAMPLES[name])}",
            usage=f"aape {name} --config RECIPE [options] [--KEY VALUE ...]",
        )
        parser.set_defaults(run=run_trainer, words=[], command=name, parser=parser)
        _add_options(parser, name)


def _add_options(parser: argparse.ArgumentParser, name: str) -> None:
    trains = name == "fit"
    parser.add_argument(
        "--config", "-c", action="append", metavar="RECIPE", required=True,
        help="path or short name of a recipe; a second one lies over the first",
    )  # fmt: skip
    parser.add_argument(
        "--ckpt_path", metavar="FILE", help="the run's last.ckpt, to go on from" if trains else "the run's aape.ckpt"
    )
    place = "runs/RECIPE/TIME" if trains else "beside the checkpoint"
    parser.add_argument("--run", metavar="DIR", help=f"folder of this run (default: {place})")
    parser.add_argument(
        "--seed_everything",
        type=int,
        metavar="N",
        default=1,
        help="seed of weights and dropout; --data.seed is the data's",
    )
    parser.add_argument(
        "--json", action="store_true", help="print run folder, metrics and files as JSON, and the rest on stderr"
    )
    parser.add_argument("--print_config", action="store_true", help="print the whole configuration, and run nothing")
    parser.add_argument(HELP_ALL, action="store_true", help="print LightningCLI's own help, several hundred lines")
    _add_common_keys(parser, trains=trains)


def _add_common_keys(parser: argparse.ArgumentParser, *, trains: bool) -> None:
    keys = parser.add_argument_group("keys that are often given (the recipe has their defaults)")
    keys.add_argument("--data.manifest", metavar="M", help="the dataset: short name or path of a manifest")
    keys.add_argument("--data.root", metavar="DIR", help="where the datasets are, CoOp's $DATA")
    keys.add_argument("--data.classes", choices=("all", "base", "new"), help="which half of the classes")
    keys.add_argument("--data.backbone", metavar="NAME", help="name or file of a CLIP, such as ViT-B/16")
    if trains:
        keys.add_argument("--data.seed", type=int, metavar="N", help="seed of draw, order and augmentation")
        keys.add_argument("--data.shots", type=int, metavar="N", help="training images a class; 0 for all")
        keys.add_argument("--data.prompts", metavar="P", help="the sentences: a source of the manifest, or a file")
        keys.add_argument("--data.batch_size", type=int, metavar="N", help="images a step")
        keys.add_argument("--model.lr", type=float, metavar="LR", help="learning rate")
        keys.add_argument("--trainer.max_epochs", type=int, metavar="N", help="passes over the training images")
    keys.add_argument("--trainer.accelerator", metavar="A", help="auto, cpu, gpu")
    keys.add_argument("--trainer.devices", metavar="N", help="how many devices, or auto")
