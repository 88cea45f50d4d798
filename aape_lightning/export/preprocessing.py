"""A backbone's preprocessing in plain values, for those who write it again in another language."""

from typing import Any

from PIL.Image import Resampling
from torchvision import transforms as T

from aape_lightning.backbones.base import FrozenBackbone

__all__ = ["preprocessing"]


def preprocessing(backbone: FrozenBackbone) -> dict[str, Any]:
    """What an image goes through before the image tower.

    Args:
        backbone: The backbone.

    Returns:
        `size` (side of the square in pixels), `resize` and `interpolation` (what is done first; None where the
        backbone's own library does it in a way that has no such word), `crop`, `mean` and `std` (of each channel of
        values in [0, 1]), and `steps`: the library's own description.
    """
    transform = backbone.transform
    steps = getattr(transform, "transforms", None)
    told = _of_torchvision(steps) if steps is not None else _of_transformers(getattr(transform, "processor", None))
    return {
        "size": backbone.input_size,
        **told,
        "channels": "RGB, values divided by 255, then (value - mean) / std, as (3, size, size)",
        "mean": list(backbone.image_mean),
        "std": list(backbone.image_std),
    }


def _of_torchvision(steps: list[Any]) -> dict[str, Any]:
    resize = next((step for step in steps if isinstance(step, T.Resize)), None)
    crops = any(isinstance(step, T.CenterCrop) for step in steps)
    return {
        "resize": None if resize is None else _resized(resize.size),
        "interpolation": None if resize is None else resize.interpolation.value,
        "crop": "center" if crops else None,
        "steps": [repr(step) for step in steps if not repr(step).startswith("<function")],
    }


def _of_transformers(processor: Any) -> dict[str, Any]:  # noqa: ANN401 - transformers has one class a model
    values = {} if processor is None else processor.to_dict()
    resamples, size = values.get("do_resize") and values.get("resample") is not None, values.get("size") or {}
    return {
        "resize": "shortest side" if "shortest_edge" in size else None,
        "interpolation": Resampling(values["resample"]).name.lower() if resamples else None,
        "crop": "center" if values.get("do_center_crop") else None,
        "steps": [f"{key}: {value}" for key, value in sorted(values.items()) if key.startswith("do_") or key == "size"],
    }


def _resized(size: Any) -> str:  # noqa: ANN401 - an int, or a sequence of one or two
    is_square = not isinstance(size, int) and len(size) == 2
    return "both sides" if is_square else "shortest side"
