"""`run.json`: the command of a run, what it ran on, how far it came, and what it came to."""

import math
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.model_helpers import is_overridden

from aape_lightning.errors import StorageError, reason
from aape_lightning.files import write_json
from aape_lightning.protocols.provenance import device_name, now
from aape_lightning.run_folder.guide import write_guide

__all__ = ["RUN_FILE", "RunRecord", "last_metrics"]

RUN_FILE = "run.json"


def last_metrics(trainer: Trainer) -> dict[str, float | None]:
    """The last value of each metric that a Trainer has logged; None for what is no number, for which JSON has none."""
    values = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


class RunRecord(Callback):
    """Writes `run.json` and the folder's `README.md` when a fit begins and when it ends, however it ends.

    `state` is `running`, `finished`, `failed` or `interrupted`. A process that was killed leaves `running`.

    Args:
        facts: What is known before the fit: the command, versions, and so on.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = dict(facts)
        self.state = "not begun"
        self.testable = False
        self._begun = 0.0

    def begin(self, trainer: Trainer) -> None:
        """Write both, before data are read."""
        device = device_name(trainer.strategy.root_device)
        self.facts |= {"device": device, "started": now(), "ended": None, "seconds": None}
        self._begun = time.monotonic()
        self._write(trainer, "running")

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Learn whether there is something to test."""
        self.testable = is_overridden("test_step", pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say that it is done, with the metrics of the last epoch."""
        self._end(trainer, "finished")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Say what ended it."""
        state, more = "interrupted", {}  # by Ctrl-C, or the SystemExit that SIGTERM is turned into
        if isinstance(exception, Exception):
            state, more = "failed", {"error": f"{type(exception).__name__}: {reason(exception)}"}
        with suppress(StorageError):  # on a full disk the first error is the one to be told
            self._end(trainer, state, **more)
        if state == "interrupted" and trainer.is_global_zero and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            print(f"Run folder: {trainer.default_root_dir}; its README.md says how to go on.", file=sys.stderr)

    def _end(self, trainer: Trainer, state: str, **more: str) -> None:
        self.facts |= {"ended": now(), "seconds": round(time.monotonic() - self._begun, 1), **more}
        self._write(trainer, state)

    def _write(self, trainer: Trainer, state: str) -> None:
        self.state = state
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        folder = Path(trainer.default_root_dir)
        epochs = {"done": trainer.current_epoch, "planned": trainer.max_epochs}
        write_json(folder / RUN_FILE, self.facts | {"state": state, "epochs": epochs, "metrics": last_metrics(trainer)})
        write_guide(folder, state, task=str(self.facts.get("task", "")), testable=self.testable)
