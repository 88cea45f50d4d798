"""The hyper-parameters of a whole run under flat names: `model/lr`, `data/shots`, `trainer/max_epochs`, `seed`."""

from collections.abc import Mapping
from typing import Any

from aape_lightning.logs.base import Plain

__all__ = ["flat_hyper_parameters"]

_TRAINER = ("max_epochs", "precision", "gradient_clip_val")
# Where and how to compute: they say nothing of what was trained.
_LEFT_OUT = ("cache_dir", "num_workers", "root")


def flat_hyper_parameters(config: Mapping[str, Any]) -> dict[str, Plain]:
    """What the configuration of a run chooses, in plain values; what is not set is left out.

    Args:
        config: The resolved configuration, with `model`, `data`, `trainer` and `seed_everything`.

    Example:
        >>> flat_hyper_parameters({"model": {"class_path": "a.Task", "init_args": {"lr": 0.1, "steps": [1, 2]}}})
        {'model/class': 'Task', 'model/lr': 0.1, 'model/steps': '[1, 2]'}
    """
    found: dict[str, Any] = {}
    for part in ("model", "data"):
        chosen = config.get(part) or {}
        found[f"{part}/class"] = str(chosen.get("class_path", "")).rpartition(".")[2] or None
        choices = chosen.get("init_args") or {}
        found |= {f"{part}/{name}": value for name, value in choices.items() if name not in _LEFT_OUT}
    trainer = config.get("trainer") or {}
    found |= {f"trainer/{name}": trainer.get(name) for name in _TRAINER}
    found["seed"] = config.get("seed_everything")
    return {
        name: value if isinstance(value, Plain) else str(value) for name, value in found.items() if value is not None
    }
