"""Which pictures of a fit are logged: validation images with their classes, and the attention in them."""

from lightning.pytorch import LightningDataModule, LightningModule
from PIL import Image

from aape_lightning.data import ClassificationDataModule
from aape_lightning.data.images import image_opener
from aape_lightning.data.splits import Part
from aape_lightning.logs.pictures import attention_picture, image_grid
from aape_lightning.protocols.explain import explain
from aape_lightning.tasks.evaluation import ClassifierEvaluation
from aape_lightning.tasks.examples import spread

__all__ = ["example_pictures"]

_IMAGES = 8
_OF_EACH = 2  # right ones, and wrong ones


def example_pictures(task: LightningModule, data: LightningDataModule) -> dict[str, Image.Image]:
    """Pictures by name, for a task that was just trained.

    `examples/images` are validation images of a classification, or training images where there are none or the feature
    store is not read. `examples/attention` is drawn where an attention aggregator was trained.

    Args:
        task: The task.
        data: What it was trained on.
    """
    if not isinstance(data, ClassificationDataModule):
        return {}
    opened = image_opener(data.manifest, data.root)
    part: Part = "train" if data.whole("val") is None else "val"
    items = data.items(part)
    shown = [items[place] for place in spread(len(items), _IMAGES)]
    pictures = {
        "examples/images": image_grid(
            [opened(item.path) for item in shown], [data.class_names[item.label] for item in shown]
        )
    }
    is_classifier = isinstance(task, ClassifierEvaluation)
    found = explain(task, data, "val") if is_classifier and part == "val" else None
    if found is not None:
        right = [one for one in found.images if one.is_right][:_OF_EACH]
        told = right + [one for one in found.images if not one.is_right][:_OF_EACH]
        pictures["examples/attention"] = attention_picture([opened(one.image) for one in told], told)
    return pictures
