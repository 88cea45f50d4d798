"""Protocols written down: a file states protocol, recipes, methods and seeds, as for a table of the paper."""

from collections.abc import Sequence
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aape_lightning.errors import RecipeError
from aape_lightning.formats.yaml_content import parse_yaml
from aape_lightning.protocols.jobs import Value
from aape_lightning.protocols.names import BASE_TO_NEW, FEW_SHOT, SWEEP, TRANSFERS
from aape_lightning.resources import written_path

__all__ = ["Written", "parse_value", "read_written"]


class Written(BaseModel):
    """What a file states; everything is as `aape protocol` has it.

    Attributes:
        protocol: The protocol's name.
        recipes: Short names or paths of recipes, one a dataset.
        methods: Short names or paths of methods.
        seeds: Seeds of draw and training.
        vary: Dotted keys and their values, for a sweep, and `data.shots` of few-shot.
        over: The protocol that a sweep follows.
        targets: Manifests to test on, for the protocols that transfer.
        keys: Further keys of every recipe, by dotted name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str
    recipes: list[str] = Field(min_length=1)
    methods: list[str] = Field(min_length=1)
    seeds: list[int] = [1, 2, 3]
    vary: dict[str, list[Value]] = {}
    over: str = BASE_TO_NEW
    targets: list[str] = []
    keys: dict[str, Any] = {}

    @model_validator(mode="after")
    def _belongs_together(self) -> "Written":
        if self.protocol == SWEEP and not self.vary:
            raise ValueError("a sweep varies at least one key: `vary: {model.lr: [1.0e-4, 1.0e-3]}`")
        if self.protocol == FEW_SHOT and "data.shots" not in self.vary:
            raise ValueError("few-shot varies the shots: `vary: {data.shots: [1, 2, 4, 8, 16]}`")
        if self.targets and self.protocol not in TRANSFERS:
            raise ValueError(f"`targets` are for {' and '.join(TRANSFERS)}, and the protocol is {self.protocol}")
        return self

    def arguments(self) -> list[str]:
        """The further keys as on a command line."""
        return [word for key, value in self.keys.items() for word in (f"--{key}", _word(value))]


def read_written(name: str) -> Written:
    """A written protocol by its path or short name.

    Raises:
        RecipeError: If there is no such file, it is not YAML, or it states something else; every fault is named.
    """
    path = written_path(name)
    try:
        return Written.model_validate(parse_yaml(path, RecipeError))
    except ValidationError as error:
        faults = [f"  {_place(fault['loc'])}{fault['msg'].removeprefix('Value error, ')}" for fault in error.errors()]
        raise RecipeError("\n".join([f"{str(path)!r} does not state a protocol:", *faults])) from error


def _place(names: Sequence[str | int]) -> str:
    return f"{'.'.join(map(str, names))}: " if names else ""


def parse_value(text: str) -> Value:
    """A value of a key from the command line, as the recipe's parser reads it.

    Example:
        >>> parse_value("16"), parse_value("1e-3"), parse_value("image"), parse_value("null")
        (16, 0.001, 'image', None)
    """
    value: Value = yaml.safe_load(text)
    if not isinstance(value, str):
        return value
    try:
        return float(value)  # YAML 1.1 takes 1e-3 for a word
    except ValueError:
        return value


def _word(value: Any) -> str:  # noqa: ANN401 - whatever YAML holds
    return value if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True).split("\n...")[0].strip()
