"""What injected sentences take: the change of a metric from no noise on, and the attention on them."""

from collections.abc import Sequence
from statistics import fmean

from aape_lightning.protocols.results import Result
from aape_lightning.report.grid.settings import NOISE, setting_name
from aape_lightning.report.statistics import MeanInterval
from aape_lightning.report.train_test.tables import Column, Table
from aape_lightning.report.train_test.values import Values

__all__ = ["ATTENTION", "CHANGE_OF", "UNIFORM", "changes", "injected_attention", "verdicts"]

ATTENTION = "attention/injected"
CHANGE_OF = "change/"  # before the name of a metric
UNIFORM = "uniform attention"  # its row among the methods
_UNIFORM_SHARE = "attention/uniform/injected"


def changes(values: Values, runs: Sequence[Result], metric: str) -> Values:
    """Each seed's metric under noise minus the same seed's without, all else equal; nothing where noise is not varied.

    Args:
        values: What was measured, by names `SETTING/METRIC`.
        runs: The results.
        metric: Of which metric.
    """
    found: Values = {}
    for setting in {setting_name(run.setting): run.setting for run in runs if run.setting.get(NOISE)}.values():
        clean = values.get(f"{setting_name({**setting, NOISE: 0})}/{metric}", {})
        noisy = values.get(f"{setting_name(setting)}/{metric}", {})
        for method in sorted(clean.keys() & noisy.keys()):
            seeds = clean[method].keys() & noisy[method].keys()
            if seeds:
                found.setdefault(f"{setting_name(setting)}/{CHANGE_OF}{metric}", {})[method] = {
                    seed: noisy[method][seed] - clean[method][seed] for seed in sorted(seeds)
                }
    return found


def injected_attention(runs: Sequence[Result]) -> Values:
    """Each run's share of attention on injected sentences, and under `UNIFORM` what uniform attention would give them.

    Args:
        runs: The results; those that did not record it are passed over.
    """
    found: Values = {}
    uniform: dict[str, dict[int, list[float]]] = {}
    for run in runs:
        name = f"{setting_name(run.setting)}/{ATTENTION}"
        if ATTENTION in run.diagnostics:
            found.setdefault(name, {}).setdefault(run.method, {})[run.seed] = run.diagnostics[ATTENTION]
        if _UNIFORM_SHARE in run.diagnostics:
            uniform.setdefault(name, {}).setdefault(run.seed, []).append(run.diagnostics[_UNIFORM_SHARE])
    for name, by_seed in uniform.items():
        found.setdefault(name, {})[UNIFORM] = {seed: fmean(shares) for seed, shares in by_seed.items()}
    return found


def verdicts(table: Table, reference: str, metric: str) -> list[str]:
    """Whether the reference keeps more of a metric than each other method as noise grows, in words.

    Args:
        table: The changes by rate.
        reference: The method that the others are compared with.
        metric: The metric's name in a sentence.
    """
    return [_verdict(table, reference, method, metric) for method in table.differences]


def _verdict(table: Table, reference: str, method: str, metric: str) -> str:
    measured = [place for place, found in enumerate(table.differences[method]) if found.difference.count]
    if not measured:
        return f"{reference} and {method} have no seed in common that was run without noise and with it."
    *lower, highest = measured
    between = table.differences[method][highest].difference
    own, other = (_change(table.columns[highest], table.rows[name][highest]) for name in (reference, method))
    told = (
        f"{_claim(between, reference, method, metric)}: from no noise to a rate of {table.columns[highest].heading}, "
        f"{metric} changes by {own} points against {other}, a paired difference of "
        f"{_change(table.columns[highest], between)} over {between.count} seed{'s' if between.count != 1 else ''}."
    )
    found = [(table.columns[place], table.differences[method][place].difference) for place in lower]
    at_lower = [f"{_change(column, difference)} at {column.heading}" for column, difference in found]
    return f"{told} At lower rates it is {', '.join(at_lower)}." if at_lower else told


def _claim(between: MeanInterval, reference: str, method: str, metric: str) -> str:
    if between.excludes_zero is None:
        return f"One seed cannot tell whether {reference} keeps more of its {metric} than {method}"
    if not between.excludes_zero:
        return f"Whether {reference} keeps more of its {metric} than {method} is open, the interval includes zero"
    return f"{reference} keeps {'more' if between.mean > 0 else 'less'} of its {metric} than {method}"


def _change(column: Column, found: MeanInterval) -> str:
    return column.scale.signed(found.mean, found.half_width)
