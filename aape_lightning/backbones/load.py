"""`load_backbone`: one door for names, files, and the weights that ship with the package."""

import functools
import pickle
import urllib.error
import warnings
from collections.abc import Callable
from pathlib import Path

from PIL.Image import Image
from torch import Tensor, nn

from aape_lightning.backbones.clip import ClipBackbone, clip
from aape_lightning.errors import BackboneNotFoundError, did_you_mean

__all__ = ["SHIPPED", "load_backbone"]

MODEL_URLS: dict[str, str] = clip.clip._MODELS

# What clip-anytorch and torch raise on a file of another kind, each for its own reason.
_NOT_A_CLIP = (
    RuntimeError, KeyError, IndexError, TypeError, ValueError, AttributeError, AssertionError, EOFError,
    pickle.UnpicklingError,
)  # fmt: skip

SHIPPED = {"shapes-tiny": Path(__file__).parent / "weights" / "shapes_tiny.pt"}


def load_backbone(name: str) -> ClipBackbone:
    """Load a frozen backbone, on the CPU in float32; one copy a process.

    Args:
        name: A name of clip-anytorch (`ViT-B/16`, `RN50`, ...; downloaded on first use), `shapes-tiny`, or the path of
            a file in OpenAI's format (a state dict or an archive).

    Raises:
        BackboneNotFoundError: If the name is unknown, the download fails, or the file is not a CLIP.
    """
    return _load(name, _clip_root())


@functools.lru_cache(maxsize=2)
def _load(name: str, download_root: Path) -> ClipBackbone:
    path = SHIPPED.get(name, Path(name))
    if path.is_file():
        return _from_file(name, path)
    if name in MODEL_URLS:
        return _from_download(name, download_root)
    known = [*MODEL_URLS, *SHIPPED]
    raise BackboneNotFoundError(
        f"No backbone {name!r}: it is neither a file nor one of {', '.join(known)}.{did_you_mean(name, known)}"
    )


def _clip_root() -> Path:
    """Where clip-anytorch keeps its downloads."""
    return Path.home() / ".cache" / "clip"


def _clip_load(name: str, download_root: Path) -> tuple[nn.Module, Callable[[Image], Tensor]]:
    with warnings.catch_warnings():
        # OpenAI's archives are TorchScript; clip-anytorch reads them with a loader that torch has deprecated.
        warnings.filterwarnings("ignore", message="`torch.jit.load` is deprecated")
        loaded: tuple[nn.Module, Callable[[Image], Tensor]] = clip.load(
            name, device="cpu", jit=False, download_root=str(download_root)
        )
    return loaded


def _from_file(name: str, path: Path) -> ClipBackbone:
    try:
        model, transform = _clip_load(str(path), path.parent)
    except _NOT_A_CLIP as error:
        raise BackboneNotFoundError(
            f"{str(path)!r} is not a CLIP in OpenAI's format (a state dict or an archive): "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from error
    return ClipBackbone(name, model, transform)


def _from_download(name: str, root: Path) -> ClipBackbone:
    url = MODEL_URLS[name]
    target = root / url.rsplit("/", maxsplit=1)[-1]
    complete = target.is_file()
    try:
        model, transform = _clip_load(name, root)
    except (OSError, urllib.error.URLError, RuntimeError) as error:
        if not complete:
            target.unlink(missing_ok=True)  # clip-anytorch leaves what it had of a broken download
        raise BackboneNotFoundError(
            f"The weights of backbone {name!r} are not at {str(target)!r} and could not be downloaded ({error}). "
            f"Put the file of {url} there, or pass a file with --data.backbone PATH."
        ) from error
    return ClipBackbone(name, model, transform)
