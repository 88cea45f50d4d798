"""A column of a fit's progress bar: how long it has run and how long the whole fit still takes."""

from time import monotonic

from lightning.pytorch import Trainer
from rich.progress import ProgressColumn, Task
from rich.table import Column
from rich.text import Text

__all__ = ["FitTime"]


class FitTime(ProgressColumn):
    """Time since the fit began, and, once an epoch is over, the time that is left of all epochs.

    Outside of a fit, the times of the bar itself.

    Args:
        trainer: The Trainer.
    """

    max_refresh = 0.5

    def __init__(self, trainer: Trainer) -> None:
        super().__init__(Column(no_wrap=True))
        self.trainer = trainer
        self.begun = monotonic()
        self.first_epoch = trainer.current_epoch

    def render(self, task: Task) -> Text:
        """The two times."""
        if self.trainer.training or self.trainer.validating or self.trainer.sanity_checking:
            elapsed, left = monotonic() - self.begun, self._left(task)
        else:
            elapsed, left = task.elapsed or 0.0, task.time_remaining
        return Text(f"{_time(elapsed)}, {_time(left)} left", style="dim")

    def _left(self, task: Task) -> float | None:
        epochs = self.trainer.max_epochs
        done = self.trainer.current_epoch - self.first_epoch + (task.completed / task.total if task.total else 0.0)
        if epochs is None or epochs < 0 or done <= 0:
            return None
        still = max(0.0, epochs - self.first_epoch - done)
        return (monotonic() - self.begun) / done * still


def _time(seconds: float | None) -> str:
    """Hours where there are some, minutes and seconds.

    Example:
        >>> _time(64.9), _time(3601), _time(None)
        ('1:04', '1:00:01', '-:--')
    """
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
