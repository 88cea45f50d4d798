"""Image files through a backbone's image tower."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from aape_lightning.backbones import Backbone
from aape_lightning.data.images import open_image
from aape_lightning.errors import ImageError, listed
from aape_lightning.files import default_workers
from aape_lightning.progress import track

__all__ = ["embed_images"]

_BATCH = 64
_QUIET_BELOW = 256  # images that need no progress bar


def embed_images(backbone: Backbone, paths: Sequence[Path], device: torch.device) -> Float[Tensor, "n d"]:
    """Unit-norm embeddings of image files under the backbone's own evaluation transform, on the CPU.

    Raises:
        ImageError: If a file is missing, which is looked for before anything is embedded, or does not decode.
    """
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise ImageError(f"{len(missing)} of {len(paths)} images are not there (--images): {listed(missing, limit=4)}.")
    backbone.to(device)

    def load(path: Path) -> Tensor:
        return backbone.transform(open_image(path))

    batches = [paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH)]
    with ThreadPoolExecutor(default_workers()) as pool:
        return torch.cat(
            [
                backbone.encode_image(torch.stack(list(pool.map(load, batch))).to(device)).cpu()
                for batch in track(batches, "embedding images", quiet_below=_QUIET_BELOW // _BATCH)
            ]
        )
