"""What an earlier run has logged into the folder of a new one: it is kept, and not mixed with the new one's."""

import re
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only

__all__ = ["set_earlier_aside"]

_EARLIER = re.compile(r"earlier-(\d{1,9})")


@rank_zero_only  # of processes that start together one renames
def set_earlier_aside(folder: Path) -> Path | None:
    """Move the metrics and TensorBoard's files of an earlier run into `earlier-1`, `earlier-2`, ... of its folder.

    Args:
        folder: The folder of a run that begins from the start.

    Returns:
        Where they are now; None where there were none.
    """
    found = [path for path in (folder / "tensorboard", *sorted(folder.glob("metrics*.csv"))) if path.exists()]
    if not found:
        return None
    kept = [int(match[1]) for path in folder.iterdir() if (match := _EARLIER.fullmatch(path.name))]
    place = folder / f"earlier-{max(kept, default=0) + 1}"  # beyond all, of which some may be gone
    place.mkdir(parents=True)
    for path in found:
        path.rename(place / path.name)
    return place
