"""Command lines for LightningCLI: recipes by short name, with overrides and methods laid over them."""

from collections.abc import Sequence

from aape_lightning.errors import RecipeError
from aape_lightning.resources import recipe_path

__all__ = ["RUN_OPTIONS", "expand_recipes", "recipe_arguments"]

# What aape fit, validate, test and predict take beside --trainer.KEY, --model.KEY and --data.KEY.
RUN_OPTIONS = (
    "--help", "--config", "--print_config", "--seed_everything", "--run", "--epoch_share_by_shots", "--epochs_on",
    "--ckpt_path", "--weights_only", "--verbose", "--return_predictions", "--json", "--trainer", "--model", "--data",
)  # fmt: skip


def expand_recipes(args: Sequence[str]) -> list[str]:
    """Replace short recipe names after `--config` by their files, once these are known to be YAML.

    The parser of recipes lets through whatever the YAML library raises, and takes a key that stands twice.

    Raises:
        RecipeError: If a name is neither a file nor a recipe, or a file is not YAML (see `parse_yaml`).
    """
    expanded, config_next = [], False
    for arg in args:
        if config_next:
            arg = _checked(arg)
        elif arg.startswith("--config="):
            arg = f"--config={_checked(arg.removeprefix('--config='))}"
        config_next = arg in ("--config", "-c")
        expanded.append(arg)
    return expanded


def _checked(recipe: str) -> str:
    from aape_lightning.formats.yaml_content import parse_yaml  # no help waits for a YAML library

    path = recipe_path(recipe)
    parse_yaml(path, RecipeError, "The recipe")
    return str(path)


def recipe_arguments(
    recipe: str,
    method: str | None = None,
    *,
    backbone: str | None = None,
    data_root: str | None = None,
    overrides: Sequence[str] = (),
) -> list[str]:
    """The command line of a recipe with overrides, and a method laid over both.

    What makes a method that method is never overridden, and a method of another class drops the keys that it has no
    use for: `--model.lr` reaches every AAPE row of a table and leaves zero-shot CLIP alone. How long and where to train
    is not part of that: overrides of `trainer` have the last word over every method.

    Args:
        recipe: Path or short name of a recipe.
        method: Path of a method.
        backbone: Short for `--data.backbone`.
        data_root: Short for `--data.root`.
        overrides: Further keys, as for `aape fit`; a leading `--` is dropped.
    """
    arguments = ["--config", recipe]
    arguments += [] if backbone is None else ["--data.backbone", backbone]
    arguments += [] if data_root is None else ["--data.root", data_root]
    words = [word for word in overrides if word != "--"]
    if method is None:
        return arguments + words
    others, last = _split_trainer(words)
    return [*arguments, *others, "--config", method, *last]


_EPOCHS = "--trainer.max_epochs"
_UNSETTLE = ("--epoch_share_by_shots", "null", "--epochs_on", "null")  # what methods say of epochs


def _split_trainer(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The overrides of other keys, and those of the Trainer's with the values behind them."""
    others: list[str] = []
    last: list[str] = []
    taker = others
    for word in words:
        if word.startswith("--"):
            taker = last if word.startswith("--trainer.") else others
        taker.append(word)
    chooses_epochs = any(word.partition("=")[0] == _EPOCHS for word in last)
    return others, [*last, *(_UNSETTLE if chooses_epochs else ())]
