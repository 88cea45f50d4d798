"""`config.yaml` of a run, whole or absent: LightningCLI's own callback could be killed in the middle of it."""

from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from aape_lightning.files import write_text

__all__ = ["SavedConfig"]


class SavedConfig(SaveConfigCallback):
    """Saves the resolved configuration into the run's folder, in place of an earlier one."""

    _folder: str | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write it; where checkpoints lie, which the file of before belongs to, only when the fit starts."""
        self._folder = trainer.log_dir  # asked by all processes, since it is the first one's
        if stage != "fit" or self._folder is None or next(Path(self._folder).rglob("*.ckpt"), None) is None:
            self._write(trainer)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write that of a run which begins or goes on: its checkpoint has refused nothing."""
        self._write(trainer)

    def _write(self, trainer: Trainer) -> None:
        if trainer.is_global_zero and not self.already_saved:
            assert self._folder is not None
            write_text(Path(self._folder) / self.config_filename, self.parser.dump(self.config, skip_none=False))
        self.already_saved = True
