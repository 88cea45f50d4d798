"""`load_backbone`: one door for names, files, and the weights that ship with the package."""

import functools
import hashlib
import http.client
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from PIL.Image import Image
from torch import Tensor, nn

from aape_lightning.backbones.base import FrozenBackbone
from aape_lightning.backbones.clip import ClipBackbone, clip
from aape_lightning.backbones.download import download
from aape_lightning.backbones.open_clip import load_open_clip
from aape_lightning.backbones.sentence_transformers import load_sentence_transformers
from aape_lightning.backbones.transformers import load_transformers
from aape_lightning.errors import BackboneNotFoundError, StorageError, did_you_mean, reason
from aape_lightning.locks import locked

__all__ = ["SHIPPED", "load_backbone"]

MODEL_URLS: dict[str, str] = clip.clip._MODELS

SHIPPED = {"shapes-tiny": Path(__file__).parent / "weights" / "shapes_tiny.pt"}


FAMILIES: dict[str, Callable[[str], FrozenBackbone]] = {
    "st:": load_sentence_transformers,
    "open_clip:": load_open_clip,
}


def load_backbone(name: str) -> FrozenBackbone:
    """Load a frozen backbone, on the CPU in float32; one copy a process.

    Args:
        name: One of
            * a name of clip-anytorch (`ViT-B/16`, `RN50`, ...; downloaded on first use), or `shapes-tiny`;
            * the path of a file in OpenAI's format (a state dict or an archive);
            * the path of a folder of a CLIP of Hugging Face's transformers;
            * `st:NAME` or `st:FOLDER`: a CLIP of sentence-transformers, such as `st:clip-ViT-B-32`;
            * `open_clip:MODEL/WEIGHTS`: a model of open_clip with one of its tags or a file, such as
              `open_clip:ViT-B-16/laion2b_s34b_b88k`.

    Raises:
        BackboneNotFoundError: If the name is unknown, the download fails, or the files are not those of a CLIP.
    """
    return _load(name, _clip_root())


@functools.lru_cache(maxsize=2)
def _load(name: str, download_root: Path) -> FrozenBackbone:
    for prefix, load in FAMILIES.items():
        if name.startswith(prefix):
            return load(name)
    if name in MODEL_URLS:  # before any file of that name, which may have come with somebody's checkpoint
        return _from_download(name, download_root)
    path = SHIPPED.get(name, Path(name))
    if path.is_file():
        return _from_file(name, path)
    if path.is_dir():
        return load_transformers(name, name)
    known = [*MODEL_URLS, *SHIPPED]
    raise BackboneNotFoundError(
        f"No backbone {name!r}: it is neither a file nor one of {', '.join(known)}, nor a folder of a transformers "
        "CLIP, nor of the form st:NAME (sentence-transformers) or open_clip:MODEL/WEIGHTS."
        f"{did_you_mean(name, [*known, *FAMILIES])}"
    )


def _clip_root() -> Path:
    """Where clip-anytorch keeps its downloads."""
    return Path.home() / ".cache" / "clip"


def _clip_load(path: Path) -> tuple[nn.Module, Callable[[Image], Tensor]]:
    with warnings.catch_warnings():
        # OpenAI's archives are TorchScript; clip-anytorch reads them with a loader that torch has deprecated.
        warnings.filterwarnings("ignore", message="`torch.jit.load` is deprecated")
        loaded: tuple[nn.Module, Callable[[Image], Tensor]] = clip.load(str(path), device="cpu", jit=False)
    return loaded


def _from_file(name: str, path: Path) -> ClipBackbone:
    try:
        model, transform = _clip_load(path)
    except Exception as error:  # clip-anytorch and torch raise a dozen kinds on a file of another kind
        raise BackboneNotFoundError(
            f"{str(path)!r} is not a CLIP in OpenAI's format (a state dict or an archive): {reason(error)}."
        ) from error
    return ClipBackbone(name, model, transform)


def _from_download(name: str, root: Path) -> ClipBackbone:
    url = MODEL_URLS[name]
    target = root / url.rsplit("/", maxsplit=1)[-1]
    try:
        _fetch(url, target)
    except (StorageError, OSError, http.client.HTTPException, RuntimeError, TypeError, ValueError) as error:
        state = "damaged" if target.is_file() else "missing"
        raise BackboneNotFoundError(
            f"The weights of backbone {name!r} at {str(target)!r} are {state} and could not be downloaded ({error}). "
            f"Put the file of {url} there, or pass a file with --data.backbone PATH."
        ) from error
    return _from_file(name, target)


def _fetch(url: str, target: Path) -> None:
    """Download a file of clip-anytorch's, whole or not at all; processes that ask together download it once."""
    if _is_whole(url, target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    doing = f"downloads {str(target)!r}"
    with locked(target.with_suffix(".lock"), doing), tempfile.TemporaryDirectory(dir=target.parent) as folder:
        if not _is_whole(url, target):
            # clip-anytorch's own would leave a broken download there, and wait for ever for a server that is silent.
            partial = Path(folder, target.name)
            download(url, partial, _published(url))
            partial.replace(target)


def _is_whole(url: str, target: Path) -> bool:
    """Whether the file is there with the SHA-256 that was published."""
    if not target.is_file():
        return False
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == _published(url)


def _published(url: str) -> str:
    """The SHA-256 that OpenAI's URLs hold before the file's name."""
    return url.split("/")[-2]
