"""What can be exported of a trained task."""

from torch import Tensor, nn

from aape_lightning.backbones.base import FrozenBackbone
from aape_lightning.errors import ExportError
from aape_lightning.export.heads import Scores, traceable
from aape_lightning.export.program import Program, What, embeddings, images, texts
from aape_lightning.export.towers import Classifier, Embedder, TextTower
from aape_lightning.inference.saved import SavedTask
from aape_lightning.modules import Projection

__all__ = ["build_program"]

_NEEDED = {
    "aape": "a generator h",
    "query": "a retrieval run",
    "classifier": "a head over any list of classes",
    "head": "a head over any list of classes",
}
_SCORES = ("logits", "probabilities")


def build_program(what: What, saved: SavedTask, backbone: FrozenBackbone | None) -> Program:
    """The program of a name.

    Args:
        what: `aape` (image to h(x)), `query` (image to what a retrieval run searches with), `image` (image to x),
            `text` (tokens to embedding), `classifier` (image and class embeddings to logits and probabilities), or
            `head` (the same from an image embedding).
        saved: The trained task.
        backbone: The backbone that it was trained on; `head` does without.

    Raises:
        ExportError: If the task has no such part.
        CheckpointError: If the weights are not those of the task.
    """
    if what == "head":
        return _head(what, saved)
    assert backbone is not None
    match what:
        case "image":
            return _of_images(what, backbone, nn.Identity())
        case "text":
            return _text(backbone)
        case "aape":
            return _of_images(what, backbone, _generator(saved))
        case "query":
            if saved.task != "RetrievalTask":
                raise _lacking(what, saved)
            return _of_images(what, backbone, saved.build())
        case "classifier":
            return _classifier(backbone, _head(what, saved))


def _of_images(what: What, backbone: FrozenBackbone, after: nn.Module) -> Program:
    def embed(image: Tensor) -> tuple[Tensor, ...]:
        return (after(backbone.encode_image(image)),)

    name = "image_embedding" if what == "image" else what
    outputs: dict[str, tuple[int | str, ...]] = {name: ("batch", backbone.embed_dim)}
    return Program(what, Embedder(backbone, after).eval(), embed, {"image": images(backbone)}, outputs)


def _classifier(backbone: FrozenBackbone, head: Program) -> Program:
    def classify(image: Tensor, class_embeddings: Tensor) -> tuple[Tensor, ...]:
        return head.reference(backbone.encode_image(image), class_embeddings)

    inputs = {"image": images(backbone), "class_embeddings": head.inputs["class_embeddings"]}
    return Program("classifier", Classifier(backbone, head.module).eval(), classify, inputs, head.outputs)


def _head(what: What, saved: SavedTask) -> Program:
    if saved.task != "ClassificationTask":
        raise _lacking(what, saved)
    task, width = saved.build(), saved.backbone_spec["embed_dim"]
    projection = task.projection
    assert isinstance(projection, Projection)
    assert isinstance(task.generator, nn.Module)

    def score(image_embedding: Tensor, class_embeddings: Tensor) -> tuple[Tensor, ...]:
        logits = task(image_embedding, class_embeddings)
        return logits, logits.softmax(dim=-1)

    scores = Scores(task.generator, traceable(projection), saved.backbone_spec["logit_scale"])
    inputs = {"image_embedding": embeddings("batch", width), "class_embeddings": embeddings("classes", width)}
    return Program("head", scores.eval(), score, inputs, dict.fromkeys(_SCORES, ("batch", "classes")))


def _text(backbone: FrozenBackbone) -> Program:
    def embed(tokens: Tensor) -> tuple[Tensor, ...]:
        return (backbone.encode_text(tokens),)

    inputs = {"tokens": texts(backbone)}
    return Program("text", TextTower(backbone).eval(), embed, inputs, {"text_embedding": ("batch", backbone.embed_dim)})


def _generator(saved: SavedTask) -> nn.Module:
    generator = getattr(saved.build(), "generator", None)
    if not isinstance(generator, nn.Module):
        raise _lacking("aape", saved)
    return generator


def _lacking(what: What, saved: SavedTask) -> ExportError:
    return ExportError(
        f"A {saved.task} has no {what!r} to export (--what): that takes {_NEEDED[what]}. "
        "Of every run there are 'image' and 'text'."
    )
