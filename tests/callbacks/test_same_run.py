"""What a run may be resumed with, as the command line resumes it."""

import shutil

import pytest
import yaml
from aape_lightning.__main__ import main
from aape_lightning.callbacks.same_run import _changes

from cut_fit import first_difference, fit, load


@pytest.fixture(scope="module")
def cut(toy_recipe, tmp_path_factory):
    """The folder of a run whose power was cut after its first epoch."""
    folder = tmp_path_factory.mktemp("cut") / "run"
    assert not fit(["fit", "--config", toy_recipe, "--config", "csv", "--run", folder], cut_after=0)
    return folder


@pytest.fixture
def resume(cut, tmp_path, capsys):
    """Resumes a copy of the run with other values; exit code, standard error, and the folder."""

    def run(*changes):
        folder = tmp_path / "run"
        shutil.copytree(cut, folder, dirs_exist_ok=True)
        words = ["fit", "--config", folder / "config.yaml", "--ckpt_path", folder / "last.ckpt", *changes]
        code = main([str(word) for word in words])
        return code, capsys.readouterr().err, folder

    return run


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["--data.seed", 0], "data.seed 1 and 0"),
        (["--data.shots", 2], "data.shots 4 and 2"),
        (["--data.classes", "base"], "data.classes"),
        (["--data.batch_size", 8], "images a step 4 and 8"),
        (["--trainer.accumulate_grad_batches", 2], "images a step 4 and 8"),
        (["--trainer.precision", "bf16-mixed"], "trainer.precision '32-true' and 'bf16-mixed'"),
    ],
)
def test_a_run_that_would_be_another_is_refused_by_name(changes, told, cut, resume):
    code, error, folder = resume(*changes)
    assert (code, told in error, "config.yaml beside its last.ckpt" in error) == (1, True, True), error
    assert not (folder / "aape.ckpt").exists()
    assert (folder / "config.yaml").read_bytes() == (cut / "config.yaml").read_bytes()  # what the error refers to


def test_another_manifest_is_refused(toy_root, resume, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(yaml.safe_load((toy_root / "toy.yaml").read_text()) | {"name": "other"}))
    code, error, _ = resume("--data.manifest", other)
    assert code == 1
    assert "data.manifest" in error


@pytest.mark.parametrize(
    ("began", "now", "same"),
    [
        ("shapes/photo", "pacs/photo", False),
        ("pacs/photo", "pacs/photo", True),
        ("/data/old/cats", "/data/new/cats", True),
        (["/old/a.json", "p"], ["/new/a.json", "p"], True),
    ],
)
def test_a_file_may_move_and_a_domain_may_not(began, now, same):
    assert (_changes({"manifest": began}, {"manifest": now}, "data", frozenset()) == []) == same


def test_data_may_move_and_be_decoded_by_other_workers(toy_root, resume, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(toy_root, moved)
    cache = tmp_path / "cache"
    words = ["--data.root", moved, "--data.manifest", moved / "toy.yaml"]
    words += ["--data.cache_dir", cache, "--data.num_workers", 1]
    code, error, folder = resume(*words)
    assert code == 0, error
    weights = load(folder / "last.ckpt")["state_dict"]
    code, error, folder = resume()
    assert code == 0, error
    assert first_difference(weights, load(folder / "last.ckpt")["state_dict"]) is None


def test_another_seed_everything_changes_nothing_of_a_resumed_run(resume):
    found = [load(resume(*changes)[2] / "last.ckpt") for changes in ([], ["--seed_everything", 0])]
    assert first_difference(*found) is None
