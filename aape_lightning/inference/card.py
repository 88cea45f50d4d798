"""The model card of a shared task: what it is, how to load it, what it was trained on, and how good it is."""

from collections.abc import Sequence
from html import escape
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from aape_lightning import __version__
from aape_lightning.errors import ResultError
from aape_lightning.inference.folder import CONFIG_FILE, WEIGHTS_FILE
from aape_lightning.inference.saved import SavedTask

if TYPE_CHECKING:
    from huggingface_hub import ModelCard

    from aape_lightning.protocols.results import Result

__all__ = ["NO_LICENCE", "model_card"]

NO_LICENCE = "unknown"  # the Hub's word

_LIBRARY = "aape-lightning"
_SHOWN_CLASSES = 20
# The Hub's names of a kind of model, of which its pages and its search are made.
_PIPELINES = {
    "RetrievalTask": "image-feature-extraction",
    "GeneratorTask": "image-feature-extraction",
    "CaptioningTask": "image-to-text",
    "VQATask": "visual-question-answering",
    "VQAClassifierTask": "visual-question-answering",
}
_CLASSIFIES = "zero-shot-image-classification"
# Where the Hub has the same weights; for others the card says the name alone.
_BASE_MODELS = {
    "ViT-B/32": "openai/clip-vit-base-patch32",
    "ViT-B/16": "openai/clip-vit-base-patch16",
    "ViT-L/14": "openai/clip-vit-large-patch14",
    "ViT-L/14@336px": "openai/clip-vit-large-patch14-336",
    "st:clip-ViT-B-32": "sentence-transformers/clip-ViT-B-32",
    "st:clip-ViT-B-16": "sentence-transformers/clip-ViT-B-16",
    "st:clip-ViT-L-14": "sentence-transformers/clip-ViT-L-14",
}


def model_card(
    saved: SavedTask, *, results: Sequence["Result"] = (), licence: str = NO_LICENCE, name: str | None = None
) -> "ModelCard":
    """A model card, with the metadata that the Hugging Face Hub reads.

    Args:
        saved: The task.
        results: What it measured, for the card's table and for the Hub.
        licence: The Hub's short name of a licence, such as `apache-2.0`.
        name: What it is called: a repository as `USER/NAME`, or a title.

    Raises:
        ResultError: If a result is of another backbone.
    """
    from huggingface_hub import ModelCard

    for result in results:
        if result.backbone.get("fingerprint") not in (None, saved.backbone_spec["fingerprint"]):
            raise ResultError(
                f"The result of {result.dataset!r} is of the backbone {result.backbone.get('name')!r}, and this model "
                f"of {saved.backbone_spec['name']!r} with other weights: it is no result of this model."
            )
    title = name or _title(saved)
    environment = Environment(
        loader=PackageLoader("aape_lightning.inference"),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=_markdown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    values = _values(saved) | {"title": title, "repository": name or "FOLDER", "licence": licence}
    text = environment.get_template("model_card.md.j2").render(values, results=_rows(results), version=__version__)
    return ModelCard(f"---\n{_metadata(saved, results, licence, title)}\n---\n\n{text}")


def _markdown(value: object) -> Markup:
    """A value on one line in which Markdown sees no HTML; quotes and apostrophes of names stay as they are."""
    if isinstance(value, Markup):
        return value
    return Markup(escape(" ".join(str(value).split()), quote=False))  # noqa: S704 - escaped here


def _metadata(saved: SavedTask, results: Sequence["Result"], licence: str, title: str) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    dataset, pipeline = saved.inference.get("dataset"), _PIPELINES.get(saved.task, _CLASSIFIES)
    measured = [
        EvalResult(
            task_type=pipeline,
            dataset_type=result.dataset,
            dataset_name=result.dataset,
            metric_type=metric,
            metric_value=value,
        )
        for result in results
        for metric, value in sorted(result.metrics.items())
    ]
    data = ModelCardData(
        library_name=_LIBRARY,
        license=licence,
        pipeline_tag=pipeline,
        tags=["aape", "clip", "few-shot", "prompt-learning"],
        base_model=_BASE_MODELS.get(saved.backbone_spec["name"]),
        datasets=[dataset] if dataset else None,
        model_name=title if measured else None,
        eval_results=measured or None,
    )
    return data.to_yaml()


def _values(saved: SavedTask) -> dict[str, Any]:
    recorded, spec = saved.inference, saved.backbone_spec
    names: list[str] = recorded.get("class_names") or []
    return {
        "task": saved.task,
        "backbone": spec | {"name": _without_folders(spec["name"])},
        "is_named": _without_folders(spec["name"]) == spec["name"],
        "parameters": sum(tensor.numel() for tensor in saved.state_dict.values()),
        "dataset": recorded.get("dataset"),
        "names": names[:_SHOWN_CLASSES],
        "further_names": max(0, len(names) - _SHOWN_CLASSES),
        "class_text": recorded.get("class_text"),
        "templates": recorded.get("templates") or [],
        "settings": _settings(saved),
        "classifies": _PIPELINES.get(saved.task, _CLASSIFIES) == _CLASSIFIES,
        "embeds": any(key.startswith("generator.") for key in saved.state_dict),
        "config_file": CONFIG_FILE,
        "weights_file": WEIGHTS_FILE,
    }


def _settings(saved: SavedTask) -> dict[str, Any]:
    found = sorted((key, value) for key, value in saved.hyper_parameters.items() if key != "backbone_spec")
    return {key: _without_folders(value) if isinstance(value, str) else value for key, value in found}


def _title(saved: SavedTask) -> str:
    dataset = saved.inference.get("dataset")
    place = f" for {dataset}" if dataset else ""
    return f"AAPE{place} ({saved.task} on {_without_folders(saved.backbone_spec['name'])})"


def _without_folders(name: str) -> str:
    """A name, of a file's or folder's path the last part: where it lay is nobody's business."""
    family, colon, place = name.rpartition(":")
    return f"{family}{colon}{PurePath(place).name}" if PurePath(place).is_absolute() else name


def _rows(results: Sequence["Result"]) -> list[tuple[str, str, str]]:
    """Dataset, metric and value of everything measured."""
    return [
        (result.dataset, metric, f"{value:.4f}")
        for result in results
        for metric, value in sorted(result.metrics.items())
    ]
