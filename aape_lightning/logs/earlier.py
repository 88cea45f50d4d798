"""What an earlier run has logged into the folder of a new one: it is kept, and not mixed with the new one's."""

import re
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only

__all__ = ["next_number", "set_earlier_aside"]

_EARLIER = re.compile(r"earlier-(\d{1,9})")


def next_number(folder: Path, kept: re.Pattern[str]) -> int:
    """The number after those of what a folder keeps, of which some may be gone; 1 where it keeps nothing.

    Args:
        folder: The folder.
        kept: A name in it; the first group is the number.
    """
    return max((int(found[1]) for path in folder.iterdir() if (found := kept.fullmatch(path.name))), default=0) + 1


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
    place = folder / f"earlier-{next_number(folder, _EARLIER)}"
    place.mkdir(parents=True)
    for path in found:
        path.rename(place / path.name)
    return place
