"""`config.yaml` of a run, whole or absent: LightningCLI's own callback could be killed in the middle of it."""

from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from aape_lightning.files import write_text

__all__ = ["SavedConfig"]


class SavedConfig(SaveConfigCallback):
    """Saves the resolved configuration into the run's folder, in place of an earlier one."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write it, once."""
        folder = trainer.log_dir  # asked by all processes, since it is the first one's
        if trainer.is_global_zero and not self.already_saved:
            assert folder is not None
            write_text(Path(folder) / self.config_filename, self.parser.dump(self.config, skip_none=False))
        self.already_saved = True
