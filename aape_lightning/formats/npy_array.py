"""NumPy's `.npy` files of strangers: mapped, so that no header takes memory, or refused with one kind of error."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aape_lightning.errors import reason

__all__ = ["map_array"]


def map_array(path: Path, mode: Literal["r", "c"]) -> NDArray[Any]:
    """The array that a file holds, memory-mapped.

    A header may say any shape, and memory would be taken for it before the file is seen to end.

    Args:
        path: The file.
        mode: `r` for an array that cannot be changed, `c` for one whose changes stay in memory.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no such file, is shorter than its header says, or would run code.
    """
    try:
        found = np.load(path, mmap_mode=mode, allow_pickle=False)
    except (OSError, ValueError):
        raise
    except Exception as error:  # NumPy reads the header as Python, and lets through whatever that stumbles over
        raise ValueError(f"its header cannot be read: {reason(error)}") from error
    if not isinstance(found, np.ndarray):
        found.close()
        raise ValueError("it holds several arrays, or none")  # a zip file, which NumPy's .npz files are
    return found
