"""Where one dataset's numbers come from, and the command that makes them again."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from aape_lightning.protocols.results import Result
from aape_lightning.report.caveats import settings

__all__ = ["command", "facts", "title"]

_FINGERPRINT = 12
_DEVICE = "device"
_NAMED = 3  # datasets in the heading; beyond, how many there are
_UNSET_ROOT = "."
_OF_PATHS = ("/", ".", "~")  # a file of weights is told by its name; its folder is this machine's own


def facts(runs: Sequence[Result]) -> list[tuple[str, str]]:
    """Names and values for the head of a dataset's part of the report; what was not recorded is left out.

    Args:
        runs: The results on one dataset.
    """
    found = {
        "Protocol": _joined(run.protocol for run in runs),
        "Recipe": _joined(run.recipe for run in runs),
        "Backbone": _joined(_backbone(run) for run in runs),
        "Shots": _joined(str(settings(run, "data").get("shots", "")) for run in runs),
        "Seeds": ", ".join(str(seed) for seed in sorted({run.seed for run in runs})),
        "Measured": _period(runs),
        "Device": _joined(run.versions.get(_DEVICE, "") for run in runs),
        "Versions": _versions(runs),
    }
    return [(name, value) for name, value in found.items() if value]


def _joined(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))


def _backbone(run: Result) -> str:
    name, weights = str(run.backbone.get("name") or ""), run.backbone.get("fingerprint")
    name = Path(name).name if name.startswith(_OF_PATHS) else name
    return " ".join(str(part) for part in (name, weights and f"(weights {str(weights)[:_FINGERPRINT]})") if part)


def _period(runs: Sequence[Result]) -> str:
    days = sorted({run.created[:10] for run in runs if run.created})
    return days[0] if len(days) == 1 else " to ".join((days[0], days[-1])) if days else ""


def _versions(runs: Sequence[Result]) -> str:
    names = dict.fromkeys(name for run in runs for name in run.versions if name != _DEVICE)
    return ", ".join(
        f"{name} {_joined(run.versions.get(name, '') for run in runs).replace(', ', '/')}" for name in names
    )


def command(runs: Sequence[Result], folder: Path, further: Sequence[Sequence[str]] = ()) -> str:
    """The command that makes a dataset's results again, one option a line.

    Args:
        runs: The results on one dataset, by method in order of display.
        folder: Where they lie; an absolute path is shortened to its name.
        further: The protocol's own options, each with its values.
    """
    first = runs[0]
    data = settings(first, "data")
    lines = [["aape", "protocol", first.protocol], ["--recipe", first.recipe]]
    lines += [["--method", method] for method in dict.fromkeys(run.method for run in runs)]
    lines += [["--seeds", *(str(seed) for seed in sorted({run.seed for run in runs}))]]
    lines += [list(option) for option in further]
    lines += [["--out", folder.name if folder.is_absolute() else str(folder)]]
    backbone = data.get("backbone") or first.backbone.get("name")
    varies = any(key.endswith("backbone") for key in first.setting)
    lines += [["--backbone", str(backbone)]] if backbone and not varies else []
    lines += [first.overrides] if first.overrides else []
    quoted = [shlex.join(line) for line in lines]
    # The root is this machine's own, so the reader's stands for it; embedded datasets have none.
    quoted += ["--data-root $DATA"] if data.get("root", _UNSET_ROOT) != _UNSET_ROOT else []
    return " \\\n    ".join(quoted)


def title(results: Iterable[Result]) -> str:
    """The heading of a report: protocol and datasets."""
    results = list(results)
    protocols = ", ".join(sorted({result.protocol for result in results}))
    datasets = sorted({result.dataset for result in results})
    return f"{protocols}: {', '.join(datasets) if len(datasets) <= _NAMED else f'{len(datasets)} datasets'}"
