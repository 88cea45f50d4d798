"""What a reader of a table must be told about the runs behind it."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from aape_lightning.protocols.names import CROSS_DATASET
from aape_lightning.protocols.results import Result

__all__ = ["caveats", "reads_new_sentences", "settings"]

# What a seed's draw of training images depends on, beside the seed.
_DRAW = ("manifest", "shots", "draw_file", "train_on")
# Where and how to compute; the same numbers come out of it.
_PLACES = frozenset({"root", "cache_dir", "num_workers", "backbone", "seed"})


def caveats(runs: Sequence[Result]) -> list[str]:
    """Sentences about one dataset's runs; none where there is nothing to say.

    Args:
        runs: The results of one protocol on one dataset.
    """
    by_method: dict[str, list[Result]] = defaultdict(list)
    for run in runs:
        by_method[run.method].append(run)
    return [
        *_missing_seeds(by_method),
        *_changed_settings(by_method),
        *_other_data(by_method),
        *_devices(runs),
        *_sentences(by_method),
    ]


def _missing_seeds(by_method: Mapping[str, Sequence[Result]]) -> list[str]:
    every = {run.seed for runs in by_method.values() for run in runs}
    lacking: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for method, runs in by_method.items():
        lacking[tuple(sorted(every - {run.seed for run in runs}))].append(method)
    return [
        f"{', '.join(methods)}: no result for {_seeds(seeds)}. Means over different seeds are not comparable."
        for seeds, methods in lacking.items()
        if seeds
    ]


def _seeds(seeds: Sequence[int]) -> str:
    return ("seed " if len(seeds) == 1 else "seeds ") + ", ".join(map(str, seeds))


def _changed_settings(by_method: Mapping[str, Sequence[Result]]) -> list[str]:
    """Editing a recipe and adding seeds leaves the first seeds' results as they were."""
    return [
        f"The seeds of {method} were not run with one configuration; their mean mixes different settings."
        for method, runs in by_method.items()
        if len({_determining(run) for run in runs}) > 1
    ]


def _other_data(by_method: Mapping[str, Sequence[Result]]) -> list[str]:
    """Methods that were run at different times may have been run on different draws."""
    differing = []
    for name in _DRAW:
        found = {str(settings(run, "data").get(name)) for runs in by_method.values() for run in runs}
        differing += [f"{name} ({', '.join(sorted(found))})"] if len(found) > 1 else []
    if not differing:
        return []
    return [f"The methods were not trained on the same images: they differ in {', '.join(differing)}."]


def _devices(runs: Sequence[Result]) -> list[str]:
    devices = list(dict.fromkeys(run.versions["device"] for run in runs if "device" in run.versions))
    if len(devices) < 2:
        return []
    return [f"The runs were made on different devices ({', '.join(devices)}); their times are not comparable."]


def _determining(run: Result) -> str:
    data = {name: value for name, value in settings(run, "data").items() if name not in _PLACES}
    model = {name: value for name, value in settings(run, "model").items() if name != "backbone_spec"}
    trainer: Any = run.config.get("trainer")
    epochs = trainer.get("max_epochs") if isinstance(trainer, dict) else None
    return json.dumps([model, data, epochs], sort_keys=True, default=str)


def _sentences(by_method: Mapping[str, Sequence[Result]]) -> list[str]:
    readers = [method for method, runs in by_method.items() if any(reads_new_sentences(run) for run in runs)]
    if not readers:
        return []
    verb = "reads" if len(readers) == 1 else "read"
    told = f"{', '.join(readers)} {verb} sentences about the new classes at test time."
    if len(readers) < len(by_method):
        told += " The other methods go by names alone, so a difference between the two kinds is the sentences' too."
    return [told]


def reads_new_sentences(run: Result) -> bool:
    """Whether the classes, new ones included, were represented by their sentences."""
    tests_new = run.protocol == CROSS_DATASET or any(name.startswith("new/") for name in run.metrics)
    return tests_new and settings(run, "data").get("class_text") == "prompts"


def settings(run: Result, part: str) -> dict[str, Any]:
    """The `init_args` of a part of a run's configuration: `model` or `data`; empty where it was not recorded."""
    found: Any = run.config.get(part)
    arguments = found.get("init_args") if isinstance(found, dict) else None
    return arguments if isinstance(arguments, dict) else {}
