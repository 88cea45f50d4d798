"""What a trained aggregator attends to on test images, image by image and class by class, and how far h(x) moved."""

from typing import Any

import torch
from jaxtyping import Float, Int
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor

from aape_lightning.batch import ClassificationBatch
from aape_lightning.data import ClassificationDataModule
from aape_lightning.data.splits import Part
from aape_lightning.errors import PromptError
from aape_lightning.modules import AttentionAggregator
from aape_lightning.protocols.explainer import Explainer, some_of
from aape_lightning.protocols.explanations import ExplainedClasses, Explanations

__all__ = ["explain", "explain_run"]

_IMAGES = 4  # right ones, and as many wrong ones
_CHOICES = 3
_CLASSES = 6
_CHUNK = 512


def explain_run(task: LightningModule, data: LightningDataModule, *, with_new: bool) -> Explanations | None:
    """What a run that was just tested explains; None of other tasks than `explain` knows.

    Args:
        task: The trained task.
        data: What it was trained and tested on.
        with_new: Whether the new classes were tested too. They are left out where they have no sentences.
    """
    if not isinstance(data, ClassificationDataModule):
        return None
    parts = [explain(task, data)]
    if with_new and parts[0] is not None:
        new = data.with_classes("new")
        new.trainer = data.trainer
        new.setup("test")
        try:
            parts.append(explain(task, new))
        except PromptError:
            parts.append(None)
    found = [part for part in parts if part is not None]
    folder = data.hparams["images"]
    manifest, root = (data.hparams["manifest"], data.hparams["root"]) if folder is None else (folder, None)
    return Explanations(manifest=str(manifest), root=root, parts=found) if found else None


@torch.no_grad()
def explain(task: LightningModule, data: ClassificationDataModule, part: Part = "test") -> ExplainedClasses | None:
    """Some images and some classes of a part, spread evenly over it and always the same.

    Args:
        task: A trained classifier.
        data: The data, set up for the part.
        part: The part; the validation part (`val`) after `setup("fit")`.

    Returns:
        None of a task without an attention aggregator and a generator, and where the feature store is not read.

    Raises:
        PromptError: If a class has no sentence.
    """
    modules, batch = dict(task.named_children()), data.whole(part)
    aggregator, generator = modules.get("aggregator"), modules.get("generator")
    if batch is None or not isinstance(aggregator, AttentionAggregator) or generator is None:
        return None
    task.eval().to(data.device)
    view = Explainer(aggregator, generator, data, batch)
    paths = [item.path for item in data.items(part)]
    predicted, probabilities, right = _choices(task, batch)
    chosen = [
        place
        for wanted in (True, False)
        for place in some_of([k for k, found in enumerate(right) if found is wanted], _IMAGES)
    ]
    images = [view.image(k, paths[k], predicted[k].tolist(), probabilities[k].tolist()) for k in chosen]
    labels = some_of(sorted(set(batch["label"].tolist())), _CLASSES)
    return ExplainedClasses(
        classes=data.hparams["classes"], images=images, by_class=[view.of_class(label) for label in labels]
    )


def _choices(
    task: Any,  # noqa: ANN401 - any classifier
    batch: ClassificationBatch,
) -> tuple[Int[Tensor, "m k"], Float[Tensor, "m k"], list[bool]]:
    """Of each image the classes of the largest probabilities and its true one, these probabilities, and the verdict."""
    count = min(_CHOICES, len(batch["class_embeddings"]))
    held: Any = batch
    classes, probabilities = [], []
    for rows in batch["index"].split(_CHUNK):
        chunk = held | {name: held[name][rows] for name in ("index", "label", "image_embedding")}
        found = task.batch_logits(chunk).float().softmax(-1)
        classes.append(torch.cat([found.topk(count).indices, chunk["label"][:, None]], dim=1))
        probabilities.append(found.gather(1, classes[-1]))
    chosen = torch.cat(classes)
    return chosen, torch.cat(probabilities), (chosen[:, 0] == chosen[:, -1]).tolist()
