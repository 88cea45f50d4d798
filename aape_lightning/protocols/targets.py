"""The targets of domain generalization and of cross-dataset transfer, where none are named: the field's own."""

import os
from collections.abc import Sequence

from aape_lightning.data.manifests.load import domains_of
from aape_lightning.errors import ManifestError, RecipeError
from aape_lightning.formats.yaml_content import parse_yaml
from aape_lightning.protocols.names import COOP_DATASETS, DOMAIN_GENERALIZATION
from aape_lightning.resources import recipe_path

__all__ = ["default_targets"]

# CoOp's (paper section 4.1), in the order of its tables.
_DOMAINS = {"imagenet": ("imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r")}


def default_targets(protocol: str, recipe: str, overrides: Sequence[str] = ()) -> list[str]:
    """The targets of a source.

    Domain generalization: ImageNet's four variants, or the other domains of a dataset that has domains. Cross-dataset
    transfer: the ten other datasets of CoOp.

    Args:
        protocol: `domain-generalization` or `cross-dataset`.
        recipe: Path or short name of the source's recipe.
        overrides: Keys over the recipe, which may name another manifest.

    Raises:
        RecipeError: If the recipe is malformed, or domain generalization knows no other domains of the source.
        ManifestError: If there is no such manifest, or it is malformed.
    """
    source = _manifest_of(recipe, overrides)
    if protocol != DOMAIN_GENERALIZATION:
        return [name for name in COOP_DATASETS[1:] if name != source]  # ImageNet is the source of the field
    if not source:
        raise RecipeError(f"The recipe {recipe!r} names no manifest, in data.init_args.manifest.")
    try:
        targets = _DOMAINS.get(source) or _other_domains(source)
    except ManifestError as error:
        raise ManifestError(f"{error} It is what {recipe!r} names.") from error
    if not targets:
        raise RecipeError(
            f"Domain generalization knows no other domains of {source!r}, the dataset of {recipe!r}. Name them: "
            "--targets MANIFEST ..., or train on a domain such as pacs/photo or on imagenet."
        )
    return list(targets)


def _other_domains(source: str) -> list[str]:
    dataset, _, domain = source.partition("/")
    domains = [] if os.path.exists(source) else domains_of(dataset)
    return [f"{dataset}/{other}:target" for other in domains if other != (domain or domains[0])]


def _manifest_of(recipe: str, overrides: Sequence[str]) -> str:
    """The manifest that a recipe names, unless the overrides name another."""
    for place, word in reversed(list(enumerate(overrides))):
        key, has_value, value = word.partition("=")
        if key == "--data.manifest":
            return value if has_value else overrides[place + 1]
    found = parse_yaml(recipe_path(recipe), RecipeError, "the recipe")
    for key in ("data", "init_args", "manifest"):
        found = found.get(key, "") if isinstance(found, dict) else ""  # what is no recipe is refused where it is built
    return found if isinstance(found, str) else ""
