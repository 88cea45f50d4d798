import pytest
from aape_lightning.callbacks import ProgressBar
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import RichProgressBar
from torch import nn
from torch.utils.data import DataLoader


class Steps(LightningModule):
    """One weight and no data to speak of; logs its epoch's number at the end of each."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(nn.init.ones_(self.new_scalar()))

    @staticmethod
    def new_scalar():
        return nn.Linear(1, 1).bias.detach()

    def training_step(self, batch, batch_idx):
        return self.weight.sum()

    def on_train_epoch_end(self):
        self.log("train/loss", float(self.current_epoch), prog_bar=True)

    def configure_optimizers(self):
        return None


@pytest.fixture
def counted(monkeypatch):
    """How often Lightning's own bar was drawn after a step."""
    calls, draw = [], RichProgressBar.on_train_batch_end

    def counting(bar, trainer, module, outputs, batch, batch_idx):
        calls.append((trainer.current_epoch, batch_idx))
        draw(bar, trainer, module, outputs, batch, batch_idx)

    monkeypatch.setattr(RichProgressBar, "on_train_batch_end", counting)
    return calls


def fit(quiet_trainer, bar, **limits):
    trainer = quiet_trainer(enable_progress_bar=True, callbacks=[bar], **{"max_epochs": 3} | limits)
    trainer.fit(Steps(), DataLoader(range(40), batch_size=1))


def test_steps_between_two_drawings_draw_nothing(quiet_trainer, counted, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr("aape_lightning.callbacks.progress_bar.monotonic", lambda: next(clock) / 64)
    fit(quiet_trainer, ProgressBar())
    drawn = [epoch * 40 + step for epoch, step in counted[:-1]]
    # A 64th of a second passes at every step, and a drawing is due after a tenth of one.
    assert drawn == list(range(drawn[0], 120, 7))
    assert counted[-1][1] == 39


def test_the_end_shows_the_last_step_and_the_last_epochs_metrics(quiet_trainer, counted):
    bar = ProgressBar()
    seen = []
    update = bar._update_metrics
    bar._update_metrics = lambda trainer, module: (
        update(trainer, module),
        seen.append(bar.get_metrics(trainer, module)),
    )
    fit(quiet_trainer, bar)
    assert seen[-1] == {"train/loss": 2.0}
    assert bar.train_progress_bar.completed == 40


def test_a_run_that_ends_inside_an_epoch_shows_where(quiet_trainer):
    bar = ProgressBar()
    fit(quiet_trainer, bar, max_steps=50)
    assert bar.train_progress_bar.completed == 10


def test_the_command_line_has_it_unless_another_is_named(tmp_path, toy_root):
    from aape_lightning.cli import build

    def bars(*more):
        arguments = ["--config", "shapes", "--run", str(tmp_path), *more]
        return [type(c) for c in build(arguments).trainer.callbacks if isinstance(c, RichProgressBar)]

    assert bars() == [ProgressBar]
    assert bars("--trainer.enable_progress_bar", "false") == []
    assert bars("--trainer.callbacks", "lightning.pytorch.callbacks.RichProgressBar") == [RichProgressBar]
