"""What a run folder tells of itself: `run.json` and `README.md`."""

from aape_lightning.run_folder.git_state import git_state
from aape_lightning.run_folder.guide import write_guide
from aape_lightning.run_folder.record import RUN_FILE, RunRecord, last_metrics
from aape_lightning.run_folder.typed import typed_command

__all__ = ["RUN_FILE", "RunRecord", "git_state", "last_metrics", "typed_command", "write_guide"]
