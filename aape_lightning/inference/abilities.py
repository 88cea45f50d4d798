"""What each kind of run can do, and which run can do what another cannot."""

from lightning.pytorch import LightningModule

from aape_lightning.errors import CheckpointError

__all__ = ["Ability", "abilities_of", "refuse_without"]

Ability = str

_ZERO_SHOT = "zero-shot CLIP"
_CLASSIFIERS = ("ClassificationTask", "CLIPAdapterTask", "LinearProbeTask", "TipAdapterTask", "ZeroShotTask")
_ABLE: dict[Ability, tuple[str, ...]] = {
    "classify": _CLASSIFIERS,
    "retrieve": ("RetrievalTask", "ZeroShotTask"),
    "caption": ("CaptioningTask",),
    "answer": ("VQATask", "VQAClassifierTask"),
}
_RUNS = {
    "classify": "ClassificationTask: aape fit --config shapes",
    "retrieve": "RetrievalTask: aape fit --config shapes_retrieval",
    "caption": "CaptioningTask: aape fit --config shapes_captioning",
    "answer": "VQATask: aape fit --config shapes_vqa",
    "aape": "ClassificationTask: aape fit --config shapes",
}


def abilities_of(task: LightningModule) -> list[Ability]:
    """What a task can do: `embed`, and some of `classify`, `retrieve`, `caption` and `answer`."""
    return [ability for ability, names in _ABLE.items() if type(task).__name__ in names] + ["embed"]


def refuse_without(task: LightningModule, ability: Ability, source: str) -> None:
    """Refuse what a task cannot do.

    Args:
        task: The task.
        ability: What is asked of it.
        source: Where it is from.

    Raises:
        CheckpointError: If it cannot do that; it names the run that can.
    """
    able = abilities_of(task)
    if ability not in able:
        raise CheckpointError(
            f"{source!r} is {_told(task)}, which can {' and '.join(able)}, and not {ability}. Take the aape.ckpt of a "
            f"{_RUNS[ability]}"
        )


def refuse_without_generator(task: LightningModule, source: str) -> None:
    """Refuse to compute h(x) without h.

    Raises:
        CheckpointError: If the task has no generator.
    """
    if not hasattr(task, "generator"):
        raise CheckpointError(
            f"{source!r} is {_told(task)}, which has no generator and so no AAPE h(x). Ask for the image embeddings "
            f"themselves (--kind image), or take the aape.ckpt of a {_RUNS['aape']}"
        )


def _told(task: LightningModule) -> str:
    name = type(task).__name__
    return _ZERO_SHOT if name == "ZeroShotTask" else f"of a {name}"
