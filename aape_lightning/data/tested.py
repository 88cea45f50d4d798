"""Tests of one checkpoint under several conditions: one loader each."""

from collections.abc import Sequence
from typing import Any

from aape_lightning.data.conditions import Condition
from aape_lightning.data.loaded import LoadedImages
from aape_lightning.data.module import ImageDataModule
from aape_lightning.data.splits import Part

__all__ = ["ConditionedDataModule"]


class ConditionedDataModule(ImageDataModule):
    """Images, or questions about them, whose test has a loader for each of `conditions`, in their order.

    Attributes:
        conditions: What is tested; subclasses set them, and call `use_tests` when they set up a test.
    """

    conditions: list[Condition]

    def use_tests(self, tests: Sequence[LoadedImages]) -> None:
        """Take the test part under each condition; predictions are made under the first."""
        self._tests = tests
        self._parts["test"] = tests[0]

    def test_dataloader(self) -> Any:  # noqa: ANN401 - one loader a condition
        """The test part, each position once for each condition."""
        return [self.eval_loader(loaded) for loaded in self._tests]

    def loaded(self, part: Part, dataloader_idx: int) -> LoadedImages:
        """What a loader of a part yields."""
        tests = part == "test" and self.trainer is not None and self.trainer.testing
        return self._tests[dataloader_idx] if tests else super().loaded(part, dataloader_idx)
