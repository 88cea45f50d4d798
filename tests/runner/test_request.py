from pathlib import Path

import pytest
from aape_lightning.errors import RecipeError
from aape_lightning.runner import Request


def request(**changes):
    chosen = {"protocol": "few-shot", "recipes": ["shapes"], "methods": ["aape"], "seeds": [1], "out": Path("out")}
    return Request(**chosen | changes)


def test_jobs_are_those_of_every_recipe_setting_method_and_seed():
    asked = request(recipes=["shapes", "dtd"], methods=["zero-shot", "aape"], seeds=[1, 2], vary={"data.shots": [1, 4]})
    folders = [job.folder.as_posix() for job in asked.jobs()]
    assert folders[:2] == ["shapes/shots=1/zero-shot/seed1", "shapes/shots=1/aape/seed1"]
    assert folders[2] == "shapes/shots=4/zero-shot/seed1"
    assert len(set(folders)) == 16


def test_a_job_named_twice_is_run_once():
    assert len(request(methods=["aape", "aape"], seeds=[1, 1]).jobs()) == 1


def test_a_setting_is_laid_under_the_method_and_the_trainers_keys_over_it():
    asked = request(vary={"data.shots": [4]}, overrides=["--", "--trainer.max_epochs", "2", "--model.lr", "0.1"])
    (job,) = asked.jobs()
    words = asked.arguments(job)
    method = words.index("--config", 1)
    assert words.index("--data.shots") < words.index("--model.lr") + 4 < method + 4
    assert words[method + 2 : method + 4] == ["--trainer.max_epochs", "2"]
    assert words[-1] == str(Path("out/shapes/shots=4/aape/seed1"))


@pytest.mark.parametrize(("value", "word"), [(True, "true"), (None, "null"), (0.5, "0.5"), ("mean", "mean")])
def test_values_are_written_as_a_command_line_has_them(value, word):
    asked = request(vary={"model.query": [value]})
    words = asked.arguments(asked.jobs()[0])
    assert words[words.index("--model.query") + 1] == word


def test_an_unknown_method_or_recipe_is_told_before_anything_runs():
    with pytest.raises(RecipeError, match=r"No method 'aaape'.*Did you mean 'aape'"):
        request(methods=["aaape"]).jobs()
    with pytest.raises(RecipeError, match="No recipe 'shapess'"):
        request(recipes=["shapess"]).jobs()


def test_two_methods_of_one_name_are_refused(method):
    other = method("aape", {"model": {"class_path": "ZeroShotTask"}})
    with pytest.raises(RecipeError, match="Two jobs would write to 'shapes/aape/seed1'"):
        request(methods=["aape", other]).jobs()
