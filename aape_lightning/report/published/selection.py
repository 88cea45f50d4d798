"""Which published numbers were measured in the setting of ours. Where none was, nothing is said."""

from collections.abc import Sequence

from aape_lightning.protocols.names import BASE_TO_NEW, FEW_SHOT
from aape_lightning.protocols.results import Result
from aape_lightning.report.caveats import settings
from aape_lightning.report.published.rows import Published, published_numbers

__all__ = ["published_for"]

_SHOTS = "data.shots"
_ACCURACY, _SOURCE, _MEAN_OF_TARGETS = "/accuracy", "source/accuracy", "targets/accuracy"


def published_for(results: Sequence[Result]) -> list[Published]:
    """The published numbers that may stand beside results: same protocol, datasets, backbone, shots and classes.

    An average over datasets is there only if the results have those datasets and no other. Of a number for each target
    the common targets are kept, and their mean only if the targets are the same.

    Args:
        results: All results of one folder; several protocols may be among them.

    Returns:
        In the order of the files; few-shot numbers for each number of shots that the results have.
    """
    return [kept for row in published_numbers() if (kept := _comparable(row, results)) is not None]


def _comparable(row: Published, results: Sequence[Result]) -> Published | None:
    runs = [run for run in results if run.protocol == row.protocol]
    if len(row.datasets) == 1:
        runs = [run for run in runs if run.dataset in row.datasets]
    if {run.dataset for run in runs} != row.datasets or not all(_is_standard(run, row.backbone) for run in runs):
        return None
    values = _common_values(row, runs) if row.targets else row.values
    return row.model_copy(update={"values": values}) if values and _shots_agree(row, runs) else None


def _is_standard(run: Result, backbone: str) -> bool:
    """Whether a run is on the whole dataset as it is published, with OpenAI's weights of that architecture."""
    data, trainer = settings(run, "data"), run.config.get("trainer") or {}
    return (
        # A path to a file is another name, and only names of OpenAI's own are in the published numbers.
        run.backbone.get("name") == backbone
        and run.setting.keys() <= {_SHOTS}
        and data.get("manifest") == run.dataset
        and data.get("images") is None
        and data.get("draw_file") is None
        and not data.get("noise")
        and data.get("prompts_per_class") is None
        and data.get("classes", "all") == ("base" if run.protocol == BASE_TO_NEW else "all")
        and trainer.get("limit_test_batches") in (None, 1.0)
    )


def _shots_agree(row: Published, runs: Sequence[Result]) -> bool:
    if row.shots in ("none", "unknown"):
        return row.shots == "none"
    found = {settings(run, "data").get("shots", "all") for run in runs}
    return row.shots in found if row.protocol == FEW_SHOT else found == {row.shots}


def _common_values(row: Published, runs: Sequence[Result]) -> dict[str, float]:
    names = {name for run in runs for name in run.metrics if name.endswith(_ACCURACY)}
    targets = {name.removesuffix(_ACCURACY) for name in names - {_SOURCE, _MEAN_OF_TARGETS}}
    same = targets == set(row.targets)
    return {name: value for name, value in row.values.items() if name in names or (same and name == _MEAN_OF_TARGETS)}
