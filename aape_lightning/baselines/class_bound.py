"""Methods with a weight or a memory for each class: they score the classes that they were trained on, and no others."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from aape_lightning.baselines.feature_task import FeatureTask
from aape_lightning.errors import DataError, listed

__all__ = ["ClassBoundTask", "columns_of"]


def columns_of(class_names: Sequence[str], trained: Sequence[str]) -> list[int]:
    """The place of each class among those trained on, by name; the second class of a name is the second there.

    Args:
        class_names: The classes to score. ImageNet has two of "missile", and two of "sunglasses".
        trained: The classes of the training.

    Raises:
        DataError: If a class was not trained on.

    Example:
        >>> columns_of(["boat", "crane"], trained=["crane", "boat", "crane"])
        [1, 0]
    """
    places = {key: place for place, key in enumerate(_counted(trained))}
    wanted = _counted(class_names)
    if missing := [name for name, count in wanted if (name, count) not in places]:
        raise DataError(
            f"This method has a weight for each class that it was trained on, and {listed(missing)} are not among "
            f"them: {listed(trained)}. Train it on these classes too (--data.classes all, as aape protocol few-shot "
            "does), or use a method that calls classes by text, such as clip-adapter or aape."
        )
    return [places[key] for key in wanted]


def _counted(names: Sequence[str]) -> list[tuple[str, int]]:
    """Each name with how often it stood before."""
    seen: Counter[str] = Counter()
    counted = []
    for name in names:
        counted.append((name, seen[name]))
        seen[name] += 1
    return counted


class ClassBoundTask(FeatureTask):
    """A classifier over image embeddings that is bound to the classes of its training.

    Their names are recorded as the hyper-parameter `class_names`; where it is tested, classes are found by name, in any
    order and number. Subclasses give `build`, and `forward` by way of `of_classes`.
    """

    recorded = ("backbone_spec", "class_names")
    _columns: list[int] | None = None

    def setup(self, stage: str) -> None:
        """As `FeatureTask`; a second fit must have the classes of the first.

        Raises:
            BatchError: If there is no DataModule.
            BackboneMismatchError: If the DataModule uses another backbone than the one trained on.
            DataError: If the classes to be trained on are not those trained on before.
        """
        super().setup(stage)
        if stage == "fit":
            self._columns = None
            if self.hparams["class_names"] != self.data.class_names:
                raise DataError(
                    f"{type(self).__name__} was trained on {listed(self.hparams['class_names'])} and cannot go on with "
                    f"{listed(self.data.class_names)}. Train a new one on these classes."
                )

    def learn(self, data: Any) -> None:  # noqa: ANN401 - as `data`
        """Record the backbone and the classes that the first fit is made on, and build."""
        self.hparams["class_names"] = list(data.class_names)
        super().learn(data)

    def match(self, class_names: Sequence[str]) -> None:
        """Score these classes from now on, in this order.

        Raises:
            DataError: If a class was not trained on.
        """
        self._columns = columns_of(class_names, self.hparams["class_names"] or ())

    def of_classes(self, scores: Float[Tensor, "b k"]) -> Float[Tensor, "b c"]:
        """Scores of the classes to score, among scores of the classes trained on."""
        return scores if self._columns is None else scores[:, self._columns]

    def on_validation_start(self) -> None:
        """Count over the DataModule's classes, which must be among those trained on."""
        super().on_validation_start()
        self.match(self.data.class_names)

    def on_test_start(self) -> None:
        """Count over the DataModule's classes, which must be among those trained on."""
        super().on_test_start()
        self.match(self.data.class_names)

    def on_predict_start(self) -> None:
        """Score the DataModule's classes, which must be among those trained on."""
        self.match(self.data.class_names)
