"""Texts that a test writes, collected by position over all processes."""

from collections.abc import Sequence

from jaxtyping import Int
from torch import Tensor, distributed

__all__ = ["WrittenTexts"]


class WrittenTexts:
    """Keeps texts by position; plain strings, never saved."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}

    def update(self, index: Int[Tensor, " b"], texts: Sequence[str]) -> None:
        """Add one batch."""
        self._texts |= zip(index.tolist(), texts, strict=True)

    def compute(self) -> dict[int, str]:
        """All texts of all processes, in the order of their positions."""
        gathered = [self._texts]
        if distributed.is_available() and distributed.is_initialized():
            gathered = [{} for _ in range(distributed.get_world_size())]
            distributed.all_gather_object(gathered, self._texts)
        return dict(sorted((position, text) for texts in gathered for position, text in texts.items()))
