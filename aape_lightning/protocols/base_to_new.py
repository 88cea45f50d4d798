"""The base-to-new protocol (CoCoOp's, paper section 4.1): train on the first half of the classes, test on each half.

Each half is a task of its own: accuracy on the new classes is measured among the new classes only.
"""

from lightning.pytorch import LightningModule, Trainer

from aape_lightning.baselines.class_bound import ClassBoundTask
from aape_lightning.data import ClassificationDataModule
from aape_lightning.errors import RecipeError
from aape_lightning.protocols.jobs import Measured, Protocol
from aape_lightning.protocols.names import BASE_TO_NEW
from aape_lightning.protocols.training import evaluate, timed, train

__all__ = ["PROTOCOL", "measure"]


def measure(task: LightningModule, data: ClassificationDataModule, trainer: Trainer) -> Measured:
    """Train on the base classes and test on base and on new ones.

    Args:
        task: The method; a task with `training_free` is not trained.
        data: The dataset, on its base classes.
        trainer: Fits and tests; its callbacks record curves.

    Raises:
        RecipeError: If the method can score the classes alone that it is trained on; nothing is trained then.
    """
    if isinstance(task, ClassBoundTask):
        raise RecipeError(
            f"{type(task).__name__} holds something of every class that it is trained on and cannot score new ones. "
            "Compare it on all classes: aape protocol few-shot."
        )
    trained = train(task, data, trainer)
    seconds = dict(trained.seconds)
    with timed(seconds, "test"):
        tested = evaluate(task, {"base": data, "new": data.with_classes("new")}, trainer)
    return Measured(tested.metrics, trained.diagnostics, trained.curves, seconds, tested.outcomes)


PROTOCOL = Protocol(BASE_TO_NEW, measure, arguments=("--data.classes", "base"))
