"""What a reader of a grid must be told about the runs behind it."""

from collections.abc import Mapping, Sequence

from aape_lightning.protocols.names import TRANSFERS
from aape_lightning.protocols.results import Result
from aape_lightning.report.caveats import caveats, settings
from aape_lightning.report.grid.settings import setting_name, setting_order
from aape_lightning.report.grid.study import GridStudy
from aape_lightning.report.grid.transfer import targets

__all__ = ["grid_caveats", "runs_by_setting"]

# Where and how to compute, and what follows from seed, shots and backbone: no other configuration.
_FOLLOWING = frozenset({"root", "cache_dir", "num_workers", "backbone", "backbone_spec", "seed", "draw_file"})


def grid_caveats(study: GridStudy) -> list[str]:
    """Sentences about one dataset's runs: what is true of each setting, and what of the settings together."""
    by_setting = runs_by_setting(study.runs)
    told: dict[str, list[str]] = {}
    for setting, runs in by_setting.items():
        for sentence in caveats(runs):
            told.setdefault(sentence, []).append(setting)
    return [
        *_missing(by_setting),
        *(
            sentence if len(under) == len(by_setting) else f"Under {', '.join(under)}: {sentence}"
            for sentence, under in told.items()
        ),
        *_differing(study),
        *_missing_targets(study),
    ]


def runs_by_setting(runs: Sequence[Result]) -> dict[str, list[Result]]:
    """The runs by the name of their setting, in order of the settings."""
    found: dict[str, list[Result]] = {}
    for run in sorted(runs, key=lambda run: setting_order(run.setting)):
        found.setdefault(setting_name(run.setting), []).append(run)
    return found


def _missing(by_setting: Mapping[str, Sequence[Result]]) -> list[str]:
    """Whole columns of a method, and seeds that no method has under a setting; single gaps are told by setting."""
    methods = dict.fromkeys(run.method for runs in by_setting.values() for run in runs)
    every = {run.seed for runs in by_setting.values() for run in runs}
    lacking: dict[str, list[str]] = {}
    for setting, runs in by_setting.items():
        seeds = every - {run.seed for run in runs}
        gaps = [f"no result for {_seeds(seeds)}"] if seeds else []
        gaps += [f"no result of {method}" for method in methods if all(run.method != method for run in runs)]
        for gap in gaps:
            lacking.setdefault(gap, []).append(setting)
    return [f"Under {', '.join(settings)}: {gap}." for gap, settings in lacking.items()]


def _seeds(seeds: set[int]) -> str:
    return ("seed " if len(seeds) == 1 else "seeds ") + ", ".join(map(str, sorted(seeds)))


def _differing(study: GridStudy) -> list[str]:
    """Editing a recipe between two settings leaves the first one's results as they were."""
    varied = {axis.key.rpartition(".")[2] for axis in study.axes}
    told = []
    for method in study.methods:
        runs = [run for run in study.runs if run.method == method]
        names = [name for part in ("model", "data") for name in _differing_names(runs, part) if name not in varied]
        told += [f"The runs of {method} differ in more than what was varied: in {', '.join(names)}."] if names else []
    return told if len(runs_by_setting(study.runs)) > 1 else []


def _differing_names(runs: Sequence[Result], part: str) -> list[str]:
    every = [settings(run, part) for run in runs if settings(run, part)]
    names = sorted({name for found in every for name in found} - _FOLLOWING)
    return [name for name in names if len({repr(found.get(name)) for found in every}) > 1]


def _missing_targets(study: GridStudy) -> list[str]:
    if study.protocol not in TRANSFERS:
        return []
    told: dict[str, list[str]] = {}
    for run in study.runs:
        lacking = [target for target in targets(study.runs) if target not in targets([run])]
        if lacking:
            told.setdefault(", ".join(lacking), []).append(f"{run.method} with seed {run.seed}")
    return [f"Not tested on {lacking}, and so without an average: {'; '.join(runs)}." for lacking, runs in told.items()]
