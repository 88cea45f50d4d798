import inspect

import pytest
from aape_lightning.cli import build
from lightning.pytorch import Trainer


@pytest.mark.parametrize("name", ["limit_train_batches", "limit_val_batches", "limit_test_batches", "overfit_batches"])
@pytest.mark.parametrize(("word", "value"), [("1", 1), ("1.0", 1.0), ("0.5", 0.5)])
def test_a_number_of_batches_is_no_share_of_them(name, word, value, toy_recipe, monkeypatch, tmp_path):
    hints = inspect.unwrap(Trainer.__init__).__annotations__
    monkeypatch.setitem(hints, name, float | int | None)  # as typing has it where another library wrote that first
    words = ["--config", toy_recipe, f"--trainer.{name}", word, "--run", tmp_path, "--trainer.logger", False]
    found = getattr(build(list(map(str, words))).trainer, name)
    assert found == value
    assert type(found) is type(value)
