"""Images through a frozen tower, one after the other.

On a GPU, worker processes decode and transform images while the tower works. On a CPU the two take turns, each on all
cores: the tower's threads wait for one another at every layer, and a worker that holds up one of them for a moment
holds up all.
"""

import time
from collections.abc import Callable, Iterator
from typing import Literal, get_args

import torch
from torch import Tensor

from aape_lightning.data.loading import ImageDataset, ImageLoader, collate_images
from aape_lightning.errors import ImageError

__all__ = ["Precision", "encode_rows"]

Precision = Literal["float32", "bfloat16", "float16"]

# A ViT-B/16 takes no less time an image for more of them, and small towers hardly less. Where memory is short for a
# pass it is halved.
_IMAGES_PER_PASS = 32
_IMAGES_PER_PASS_ON_CUDA = 128
_PASSES_PER_TURN = 16  # for which images are decoded before a tower on the CPU goes on
_SAMPLE = 4  # images that tell how long the others take
_START = 0.08  # seconds that a worker process takes to start and to end
_DTYPES: dict[Precision, torch.dtype] = {name: getattr(torch, name) for name in get_args(Precision)}


def encode_rows(
    images: ImageDataset,
    rows: range,
    encode: Callable[[Tensor], Tensor],
    device: torch.device,
    workers: int,
    views: int = 1,
    *,
    precision: Precision = "float32",
) -> Iterator[Tensor]:
    """Outputs of a tower for some images, in order, chunk by chunk on the CPU.

    Args:
        images: Yields each image's views, (V, 3, H, W).
        rows: Which images.
        encode: The tower: (B, 3, H, W) on the device to (B, ...).
        device: Where the tower runs.
        workers: Processes that decode and transform images; none are started where that takes longer than it saves.
        views: V, for the size of a batch.
        precision: `bfloat16` or `float16` for autocast to half precision.

    Yields:
        Tensors (R, V, ...), of R images each.

    Raises:
        ImageError: If an image is missing or cannot be decoded.
        torch.OutOfMemoryError: If there is not memory enough for one image.
    """
    on_cuda = device.type == "cuda"
    per_pass = _IMAGES_PER_PASS_ON_CUDA if on_cuda else _IMAGES_PER_PASS
    batch_size = max(1, per_pass // views)
    workers = workers if _workers_pay(images, rows, workers, overlapping=on_cuda) else 0
    turn = _Turn()
    loader = ImageLoader(
        images,
        batch_size=batch_size,
        sampler=turn,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=collate_images,
        pin_memory=on_cuda,
    )
    tower = _Tower(encode, batch_size * views)
    in_turns = workers > 0 and not on_cuda
    for turn.rows in _turns(rows, batch_size * _PASSES_PER_TURN if in_turns else len(rows)):
        for batch in _all_of(loader) if in_turns else loader:
            moved = batch.flatten(0, 1).to(device, non_blocking=True)
            with torch.autocast(device.type, _DTYPES[precision], enabled=precision != "float32"):
                encoded = tower(moved)
            yield encoded.cpu().unflatten(0, (len(batch), views))


def _workers_pay(images: ImageDataset, rows: range, workers: int, *, overlapping: bool) -> bool:
    """Whether worker processes save more time than it takes to start them, by a sample of the images."""
    if not workers or len(rows) <= _SAMPLE:
        return False
    start = time.perf_counter()
    for row in rows[:_SAMPLE]:
        images[row]
    alone = (time.perf_counter() - start) / _SAMPLE * len(rows)
    return alone * (1 - 1 / (workers + overlapping)) > _START * workers


class _Turn:
    """The rows of one turn as a sampler, which the loader asks anew in each; never a list, of a million or more."""

    rows = range(0)

    def __iter__(self) -> Iterator[int]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def _turns(rows: range, size: int) -> Iterator[range]:
    """The rows, so many at a time."""
    return (rows[start : start + size] for start in range(0, len(rows), max(1, size)))


def _all_of(loader: ImageLoader) -> Iterator[Tensor]:
    """A loader's batches once all are there; what comes before a damaged image is not lost."""
    batches: list[Tensor] = []
    try:
        batches.extend(loader)
    except ImageError:
        yield from batches
        raise
    yield from batches


class _Tower:
    """A tower that is given as many images at once as there is memory for.

    Args:
        encode: The tower.
        most: The most images at once; halved whenever memory is short, for good.
    """

    def __init__(self, encode: Callable[[Tensor], Tensor], most: int) -> None:
        self.encode = encode
        self.most = most

    def __call__(self, images: Tensor) -> Tensor:
        """The tower's output for any number of images."""
        while True:
            try:
                return torch.cat([self.encode(part) for part in images.split(self.most)])
            except torch.OutOfMemoryError:
                if self.most == 1:
                    raise
            # Out of the handler: its traceback would hold what the tower had computed.
            self.most = max(1, min(self.most, len(images)) // 2)
            torch.cuda.empty_cache()
