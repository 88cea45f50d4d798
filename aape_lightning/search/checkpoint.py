"""What a search needs of a run: a task that retrieves, on the backbone that it was trained on."""

from pathlib import Path

from aape_lightning.errors import CheckpointError
from aape_lightning.inference.saved import SavedTask, read_saved

__all__ = ["read_retriever"]

_TRAIN_ONE = "Name the aape.ckpt of a run that trained one, such as: aape fit --config shapes_retrieval."


def read_retriever(path: Path) -> SavedTask:
    """Read a trained `RetrievalTask`, without building anything.

    Args:
        path: As for `read_saved`.

    Raises:
        CheckpointError: If nothing can be read there, or it is not of a `RetrievalTask`.
    """
    saved = read_saved(path)
    if saved.task != "RetrievalTask":
        raise CheckpointError(
            f"The checkpoint {str(path)!r} (--ckpt) is of {saved.task}, and no RetrievalTask. {_TRAIN_ONE}"
        )
    return saved
