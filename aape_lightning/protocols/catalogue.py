"""Every protocol by its name."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Trainer

from aape_lightning.errors import RecipeError, did_you_mean, listed
from aape_lightning.protocols import base_to_new, cost, train_test
from aape_lightning.protocols.jobs import Protocol
from aape_lightning.protocols.names import COST, FEW_SHOT, SWEEP, TRANSFERS
from aape_lightning.protocols.transfer import transfer_protocol

__all__ = ["find_protocol"]

_PLAIN = {protocol.name: protocol for protocol in (base_to_new.PROTOCOL, train_test.PROTOCOL)}
# What varies in them is a job's setting.
_FEW_SHOT = dataclasses.replace(train_test.PROTOCOL, name=FEW_SHOT, arguments=("--data.classes", "all"))


def find_protocol(name: str, *, over: str = base_to_new.PROTOCOL.name, targets: Sequence[str] = ()) -> Protocol:
    """A protocol.

    Args:
        name: Its name.
        over: The protocol that each job of a sweep follows.
        targets: Manifests that domain generalization and cross-dataset transfer test on.

    Raises:
        RecipeError: If there is no such protocol.
    """
    if name in TRANSFERS:
        return transfer_protocol(name, targets)
    if name == SWEEP:
        return _sweep(find_protocol(over, targets=targets))
    known: dict[str, Protocol] = _PLAIN | {FEW_SHOT: _FEW_SHOT, COST: cost.PROTOCOL}
    if name not in known:
        names = [*known, *TRANSFERS, SWEEP]
        raise RecipeError(f"No protocol {name!r}; there are {listed(names)}.{did_you_mean(name, names)}")
    return known[name]


def _sweep(over: Protocol) -> Protocol:
    def contents(data: Any, trainer: Trainer) -> list[str]:  # noqa: ANN401 - any DataModule
        return [over.name, *over.contents(data, trainer)]

    return dataclasses.replace(over, name=SWEEP, contents=contents)
