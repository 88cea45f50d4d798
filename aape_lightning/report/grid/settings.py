"""What a protocol varied: the keys, their values in order, and where they stand on an axis."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from aape_lightning.protocols.results import Result

__all__ = [
    "NOISE",
    "SHOTS",
    "Axis",
    "Setting",
    "axis_of",
    "ordered",
    "setting_name",
    "setting_order",
    "value_text",
    "varied_keys",
]

SHOTS, NOISE = "data.shots", "data.noise"
Setting = str | int | float | bool | None

_LOG_FROM = 8  # from this ratio of the largest value to the smallest, even steps are doublings


def setting_name(setting: Mapping[str, Setting]) -> str:
    """A setting as names of values carry it, the same whatever the order of its keys.

    Example:
        >>> setting_name({"model.prompt_weight": 5.0, "data.noise": 0.2})
        'data.noise=0.2,model.prompt_weight=5'
    """
    return ",".join(f"{key}={value_text(setting[key])}" for key in sorted(setting))


def value_text(value: Setting) -> str:
    """A value as it is typed.

    Example:
        >>> [value_text(value) for value in (16, 0.20, True, None, "mlp")]
        ['16', '0.2', 'true', 'null', 'mlp']
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.12g}" if isinstance(value, int | float) else value


def setting_order(setting: Mapping[str, Setting]) -> list[tuple[int, float, str]]:
    """Place of a setting among others with the same keys: key by key as `ordered`."""
    return [_place(setting[key]) for key in sorted(setting)]


def varied_keys(runs: Iterable[Result]) -> list[str]:
    """The varied keys, that of the axis first: noise, else the key with the most numbers, the first of equals by name.

    Args:
        runs: Results that vary the same keys.
    """
    values: dict[str, set[Setting]] = {}
    for run in runs:
        for key, value in run.setting.items():
            values.setdefault(key, set()).add(value)
    return sorted(values, key=lambda key: (key != NOISE, -sum(map(_is_number, values[key])), -len(values[key]), key))


def ordered(values: Iterable[Setting]) -> list[Setting]:
    """Each value once: numbers from small to large, then words, then null.

    Example:
        >>> ordered([None, 16, 2, "all", 2])
        [2, 16, 'all', None]
    """
    return sorted(dict.fromkeys(values), key=_place)


def _place(value: Setting) -> tuple[int, float, str]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 0, float(value), ""
    return (2, 0.0, "") if value is None else (1, 0.0, value_text(value))


def _is_number(value: Setting) -> bool:
    return _place(value)[0] == 0


@dataclass(frozen=True)
class Axis:
    """Where a key's values stand.

    Attributes:
        key: The varied key.
        values: Its values in order.
        kind: `linear`, `log` (of base 2), or `category` (evenly, one after the other).
    """

    key: str
    values: tuple[Setting, ...]
    kind: Literal["linear", "log", "category"]

    @property
    def places(self) -> list[float]:
        """Each value's place."""
        if self.kind == "category":
            return [float(place) for place in range(len(self.values))]
        numbers = [float(value or 0) for value in self.values]
        return [math.log2(number) for number in numbers] if self.kind == "log" else numbers


def axis_of(key: str, values: Sequence[Setting]) -> Axis:
    """The axis that fits a key's values: numeric where all are numbers, logarithmic where they grow by factors.

    Example:
        >>> axis_of("data.shots", [1, 2, 4, 8, 16]).kind, axis_of("data.noise", [0.0, 0.4, 0.8]).kind
        ('log', 'linear')
        >>> axis_of("model.aggregator", ["mean", "attention"]).places
        [0.0, 1.0]
    """
    found = ordered(values)
    numbers = [float(value) for value in found if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(found):
        return Axis(key, tuple(found), "category")
    by_factors = key == SHOTS or (len(numbers) > 2 and numbers[-1] >= _LOG_FROM * numbers[0])
    return Axis(key, tuple(found), "log" if by_factors and numbers[0] > 0 else "linear")
