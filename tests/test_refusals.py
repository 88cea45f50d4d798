"""What the recipe parser's own errors become: the fault, the closest legal key, and where the keys are listed."""

import pytest
from aape_lightning.cli import build
from aape_lightning.errors import RecipeError


def refused(*arguments: str) -> str:
    with pytest.raises(RecipeError) as caught:
        build(["--config", "shapes", *arguments])
    return str(caught.value)


def test_an_unknown_key_of_a_class_is_told_with_the_closest_one():
    assert refused("--model.distilation_weight", "1") == (
        "model 'aape_lightning.tasks.ClassificationTask': Option 'distilation_weight' is not accepted. "
        "Did you mean 'distillation_weight'?\nList its keys with: aape fit --model.help ClassificationTask"
    )


def test_a_value_of_another_type_is_told_with_its_key():
    told = refused("--data.shots", "many")
    assert told.startswith("data 'aape_lightning.data.ClassificationDataModule': Parser key \"shots\": Expected")
    assert "many" in told
    assert told.endswith("\nList its keys with: aape fit --data.help ClassificationDataModule")


def test_a_class_in_a_file_that_python_does_not_find(tmp_path):
    method = tmp_path / "mine.yaml"
    method.write_text("model: {class_path: no_such_file.Task, init_args: {lr: 1.0e-4}}")
    told = refused("--config", str(method))
    assert told == (
        "model 'no_such_file.Task': No module named 'no_such_file'. Say where its file is: PYTHONPATH=FOLDER aape ..."
    )


def test_a_file_with_an_error_of_its_own_is_told_in_a_line(tmp_path, monkeypatch):
    (tmp_path / "faulty_task.py").write_text("def forward(:\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    told = refused("--model", "faulty_task.Task")
    assert "invalid syntax (faulty_task.py, line 1)" in told
    assert "Union" not in told


@pytest.mark.parametrize("arguments", [("--modl.lr", "3"), ("--model", "NoTask")])
def test_whatever_else_is_refused_says_where_keys_are_listed(arguments):
    told = refused(*arguments)
    assert arguments[-1] in told
    assert "Union" not in told
    assert "aape fit --help" in told
    assert "caltech101" not in told  # recipes are no answer to it


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("--data.classes", "bse"), "Did you mean 'base'?"),
        (("--model.projection", "residul"), "Did you mean 'residual'?"),
        (("--model", "ClasificationTask"), "model: no class 'ClasificationTask'. Did you mean 'ClassificationTask'?"),
        (("--model", "ZeroShtTask"), "Did you mean 'ZeroShotTask'?"),
        (("--data", "ClassificationDataModul"), "Did you mean 'ClassificationDataModule'?"),
        (("--trainer.max_epohs", "3"), "Did you mean '--trainer.max_epochs'?"),
        (("--confg", "x"), "Did you mean '--config'?"),
        (("--trainer.precision", "bf16-mixd"), "trainer.precision: 'bf16-mixd' is none of"),
        (("--trainer.precision", "bf16-mixd"), "Did you mean 'bf16-mixed'?"),
        (("--trainer.max_epochs", "many"), "trainer.max_epochs: 'many' is no int or null."),
        (("--trainer.accelerator", "gup"), "invalid accelerator"),
    ],
)
def test_what_is_misspelt_is_told_with_what_is_meant(arguments, hint):
    told = refused(*arguments)
    assert hint in told
    assert len(told.split("\n")) <= 2


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("modle: {class_path: ClassificationTask}", "Did you mean 'model'?"),
        ("trainer: {max_epoch: 3}", "Did you mean 'trainer.max_epochs'?"),
        ("data: {class_path: ClassificationDataModule, init_args: {shot: 3}}", "Did you mean 'shots'?"),
        ("model: {class_path: ClasificationTask}", "Did you mean 'ClassificationTask'?"),
    ],
)
def test_so_is_what_is_misspelt_in_a_file(content, hint, tmp_path):
    (tmp_path / "mine.yaml").write_text(content)
    assert hint in refused("--config", str(tmp_path / "mine.yaml"))
