"""Domain generalization and cross-dataset transfer: train on one dataset, test on others.

The two protocols do the same; they differ in what the targets are. Domain generalization tests the classes that were
trained on in other domains (paper section 4.1: ImageNet's four variants), cross-dataset transfer tests other classes.
"""

import functools
from collections import Counter
from collections.abc import Sequence

from lightning.pytorch import LightningModule, Trainer

from aape_lightning.data import ClassificationDataModule
from aape_lightning.errors import RecipeError, listed
from aape_lightning.protocols.jobs import Measured, Protocol
from aape_lightning.protocols.training import evaluate, timed, train

__all__ = ["measure", "target_name", "transfer_protocol"]

_SOURCE = "source"


def target_name(manifest: str) -> str:
    """What results call a target.

    Example:
        >>> target_name("pacs/sketch:target"), target_name("imagenet_a"), target_name("my/birds.yaml")
        ('pacs-sketch', 'imagenet_a', 'my-birds')
    """
    return manifest.removesuffix(":target").removesuffix(".yaml").strip("./").replace("/", "-")


def measure(
    task: LightningModule, data: ClassificationDataModule, trainer: Trainer, *, targets: Sequence[str]
) -> Measured:
    """Train on the source, and test on the source and on every target.

    Args:
        task: The method; a task with `training_free` is not trained.
        data: The source.
        trainer: Fits and tests; its callbacks record curves.
        targets: Manifests of the targets.
    """
    trained = train(task, data, trainer)
    seconds = dict(trained.seconds)
    places = {_SOURCE: data} | {target_name(target): data.with_manifest(target) for target in targets}
    with timed(seconds, "test"):
        tested = evaluate(task, places, trainer)
    return Measured(tested.metrics, trained.diagnostics, trained.curves, seconds, tested.outcomes)


def transfer_protocol(name: str, targets: Sequence[str]) -> Protocol:
    """One of the two protocols, with its targets.

    Args:
        name: `domain-generalization` or `cross-dataset`.
        targets: Manifests of the targets.

    Raises:
        RecipeError: If results would call two of the targets by one name.
    """
    names = Counter([_SOURCE, *map(target_name, targets)])
    if twice := [name for name, count in names.items() if count > 1]:
        raise RecipeError(f"Results would call two of source and targets {listed(twice)}. Name each target once.")

    def contents(data: ClassificationDataModule, trainer: Trainer) -> list[str]:
        return [target + data.with_manifest(target).contents() for target in targets]

    arguments = ("--data.classes", "all")
    return Protocol(name, functools.partial(measure, targets=targets), arguments, contents)
