"""Runs in blocks that make one grid each. Those that must not stand in one grid are refused."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aape_lightning.errors import ResultError
from aape_lightning.protocols.results import Result
from aape_lightning.report.grid.settings import setting_name
from aape_lightning.report.methods import method_order

__all__ = ["Block", "grid_blocks"]


@dataclass(frozen=True)
class Block:
    """The runs of one grid.

    Attributes:
        name: The dataset's name, with the varied keys where the dataset has several grids.
        keys: The varied keys, by name.
        runs: By method in order of display, and seed.
    """

    name: str
    keys: tuple[str, ...]
    runs: Sequence[Result]


def grid_blocks(results: Iterable[Result]) -> list[Block]:
    """The results by dataset and varied keys.

    Args:
        results: The results of one protocol.

    Raises:
        ResultError: If a run is there twice, one dataset's runs come from several recipes, or the runs under one
            setting from other weights of the backbone.
    """
    results = list(results)
    rank = {method: place for place, method in enumerate(method_order(result.method for result in results))}
    blocks: dict[tuple[str, tuple[str, ...]], list[Result]] = {}
    for run in sorted(results, key=lambda run: (run.dataset, rank[run.method], run.seed, setting_name(run.setting))):
        blocks.setdefault((run.dataset, tuple(sorted(run.setting))), []).append(run)
    for (dataset, _), runs in blocks.items():
        _check(dataset, runs)
    once = len({dataset for dataset, _ in blocks}) == len(blocks)
    return [
        Block(dataset if once else f"{dataset} over {' and '.join(keys)}", keys, runs)
        for (dataset, keys), runs in blocks.items()
    ]


def _check(dataset: str, runs: Sequence[Result]) -> None:
    recipes = sorted({run.recipe for run in runs})
    if len(recipes) > 1:
        raise ResultError(
            f"The results on {dataset!r} come from {len(recipes)} recipes ({', '.join(recipes)}), and one table cannot "
            "hold them. Give each recipe a folder of its own and report on it alone."
        )
    seen: set[tuple[str, str, int]] = set()
    weights: dict[str, str] = {}
    for run in runs:
        setting = setting_name(run.setting)
        under = f" under {setting}" if setting else ""
        if (run.method, setting, run.seed) in seen:
            raise ResultError(
                f"There are two results on {dataset!r} of method {run.method!r} with seed {run.seed}{under}. "
                "Remove one of them, or report on a folder that holds only one."
            )
        seen.add((run.method, setting, run.seed))
        found = str(run.backbone.get("fingerprint", ""))[:12]
        if weights.setdefault(setting, found) != found:
            raise ResultError(
                f"The results on {dataset!r}{under} come from two backbones (weights {weights[setting]!r} and "
                f"{found!r}), and one table cannot hold them. Give each a folder of its own and report on it alone."
            )
