"""`aape cache build`: a recipe's prompt bank and feature stores, ahead of training.

Any number of such processes build together, each on its own device where a launcher has numbered them:

    torchrun --nproc_per_node 4 -m aape_lightning cache build --recipe RECIPE
    srun --ntasks-per-node 4 aape cache build --recipe RECIPE
"""

import argparse

from aape_lightning.commands.help_format import examples
from aape_lightning.commands.keys import FURTHER_KEYS

__all__ = ["add_build", "run_build"]


def add_build(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape cache build` to the command line."""
    parser = subcommands.add_parser(
        "build",
        help="build a recipe's prompt bank and feature stores ahead of training",
        description="Build a recipe's prompt bank and feature stores ahead of training. Processes that share the cache "
        "folder build together, one a GPU; a build that was cut short goes on.",
        epilog=f"{FURTHER_KEYS}\n\n"
        + examples(
            "aape cache build --recipe caltech101 --data-root $DATA",
            "torchrun --nproc_per_node 4 -m aape_lightning cache build --recipe caltech101 --data-root $DATA",
        ),
    )
    parser.add_argument("--recipe", required=True, help="path or short name of a recipe")
    parser.add_argument("--backbone", metavar="NAME", help="short for --data.backbone (default: the recipe's)")
    parser.add_argument("--data-root", metavar="DIR", help="short for --data.root (default: the recipe's)")
    parser.set_defaults(run=run_build, overrides=[])


def run_build(options: argparse.Namespace) -> None:
    """Build what `aape fit` and `aape test` would build, and say where it is."""
    from aape_lightning.arguments import expand_recipes, recipe_arguments

    arguments = recipe_arguments(
        options.recipe, backbone=options.backbone, data_root=options.data_root, overrides=options.overrides
    )
    expand_recipes(arguments)  # an unknown name is told before the imports
    from lightning.pytorch.utilities import rank_zero_only

    from aape_lightning.cli import build
    from aape_lightning.messages import quiet_lightning

    with quiet_lightning():
        cli = build(arguments, trainer_defaults={"logger": False})
        cli.datamodule.trainer = cli.trainer  # which knows the device
        for stage in ("fit", "test"):
            cli.datamodule.setup(stage)
    rank_zero_only(print)(f"Bank and stores of {options.recipe}: {cli.datamodule.cache_dir}")
