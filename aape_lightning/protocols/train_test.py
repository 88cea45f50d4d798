"""The train-test protocol: train on a dataset's training part, test on its test part, whatever the task.

Retrieval, captioning and visual question answering are measured so, and classification over all classes.
"""

from lightning.pytorch import LightningDataModule, LightningModule, Trainer

from aape_lightning.protocols.jobs import Measured, Protocol
from aape_lightning.protocols.names import TRAIN_TEST
from aape_lightning.protocols.training import ALL, evaluate, timed, train

__all__ = ["PROTOCOL", "measure"]


def measure(task: LightningModule, data: LightningDataModule, trainer: Trainer) -> Measured:
    """Train and test.

    Args:
        task: The method; a task with `training_free` is not trained.
        data: The dataset.
        trainer: Fits and tests; its callbacks record curves.

    Returns:
        All that the test logs, by name, without the prefix `test/`.
    """
    trained = train(task, data, trainer)
    seconds = dict(trained.seconds)
    with timed(seconds, "test"):
        tested = evaluate(task, {ALL: data}, trainer)
    return Measured(tested.metrics, trained.diagnostics, trained.curves, seconds, tested.outcomes)


PROTOCOL = Protocol(TRAIN_TEST, measure)
