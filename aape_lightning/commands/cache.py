"""`aape cache`: builds a recipe's prompt bank and feature stores ahead of training.

Any number of such processes build together, each on its own device where a launcher has numbered them:

    torchrun --nproc_per_node 4 -m aape_lightning cache --recipe RECIPE
    srun --ntasks-per-node 4 aape cache --recipe RECIPE
"""

import argparse

from aape_lightning.commands.protocol import FURTHER_KEYS

__all__ = ["add_parser", "run_cache"]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape cache` to the command line."""
    parser = commands.add_parser(
        "cache",
        help="build a recipe's prompt bank and feature stores ahead of training",
        epilog=f"{FURTHER_KEYS} Example: aape cache --recipe caltech101 --data-root $DATA. Processes that share the "
        "cache folder build together; one a GPU: torchrun --nproc_per_node 4 -m aape_lightning cache --recipe "
        "caltech101.",
    )
    parser.add_argument("--recipe", required=True, help="path or short name of a recipe")
    parser.add_argument("--backbone", help="short for --data.backbone")
    parser.add_argument("--data-root", help="short for --data.root")
    parser.set_defaults(run=run_cache)


def run_cache(options: argparse.Namespace) -> None:
    """Build what `aape fit` and `aape test` would build, and say where it is."""
    from lightning.pytorch.utilities import rank_zero_only

    from aape_lightning.arguments import recipe_arguments
    from aape_lightning.cli import build
    from aape_lightning.messages import quiet_lightning

    arguments = recipe_arguments(
        options.recipe, backbone=options.backbone, data_root=options.data_root, overrides=options.overrides
    )
    with quiet_lightning():
        cli = build(arguments, trainer_defaults={"logger": False})
        cli.datamodule.trainer = cli.trainer  # which knows the device
        for stage in ("fit", "test"):
            cli.datamodule.setup(stage)
    rank_zero_only(print)(f"Bank and stores of {options.recipe}: {cli.datamodule.cache_dir}")
