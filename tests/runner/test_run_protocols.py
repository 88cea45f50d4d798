"""The protocols from the command line, on the toy dataset."""

import pytest
from aape_lightning.__main__ import main
from aape_lightning.protocols.results import RESULT_FILE, Result


def run(*words):
    return main([str(word) for word in words])


def results(out):
    return {path.parent.relative_to(out).as_posix(): Result.read(path) for path in out.rglob(RESULT_FILE)}


def test_few_shot_measures_every_number_of_shots(toy_recipe, tmp_path):
    out = tmp_path / "out"
    methods = ("--method", "zero-shot", "--method", "coop", "--method", "aape")
    options = ("--seeds", 1, 2, "--shots", 1, 4, "--trainer.max_epochs", 4)
    assert run("protocol", "few-shot", "--recipe", toy_recipe, *methods, "--out", out, *options) == 0
    found = results(out)
    assert len(found) == 12
    assert {result.protocol for result in found.values()} == {"few-shot"}
    assert {name: result.setting for name, result in found.items() if "/coop/seed1" in name} == {
        "toy/shots=1/coop/seed1": {"data.shots": 1},
        "toy/shots=4/coop/seed1": {"data.shots": 4},
    }
    for result in found.values():
        assert set(result.metrics) == {"accuracy", "mean_class_accuracy", "cross_entropy", "calibration_error"}
        assert result.config["data"]["init_args"]["shots"] == result.setting["data.shots"]
    epochs = {result.config["trainer"]["max_epochs"] for result in found.values()}
    assert epochs == {4}  # the user's word is the last, whatever share of the epochs a method takes at few shots


def test_a_sweep_varies_any_key_over_base_to_new(toy_recipe, tmp_path):
    out = tmp_path / "out"
    vary = ("--vary", "model.distillation_weight", 0, 5, "--vary", "data.shots", 2, 4)
    assert run("protocol", "sweep", "--recipe", toy_recipe, "--method", "aape", "--seeds", 1, "--out", out, *vary) == 0
    found = results(out)
    assert set(found) == {
        f"toy/distillation_weight={weight},shots={shots}/aape/seed1" for weight in (0, 5) for shots in (2, 4)
    }
    for result in found.values():
        assert result.protocol == "sweep"
        assert {"base/accuracy", "new/accuracy"} < set(result.metrics)
        assert result.config["model"]["init_args"]["distillation_weight"] == result.setting["model.distillation_weight"]


def test_a_method_that_fixes_what_is_varied_is_refused_alone(toy_recipe, tmp_path, capsys):
    out = tmp_path / "out"
    methods, vary = ("--method", "aape", "--method", "aape-no-distill"), ("--vary", "model.distillation_weight", 0, 5)
    assert run("protocol", "sweep", "--recipe", toy_recipe, *methods, "--seeds", 1, "--out", out, *vary) == 1
    told = capsys.readouterr().err
    assert "1 of 4 jobs failed" in told
    assert "'aape-no-distill' fixes model.distillation_weight at 0.0, and this job is to vary it (5)" in told


def test_a_method_without_a_use_for_what_is_varied_is_the_same_for_every_value(toy_recipe, tmp_path):
    out, vary = tmp_path / "out", ("--vary", "model.distillation_weight", 0, 5)
    words = ("--recipe", toy_recipe, "--method", "zero-shot", "--seeds", 1, "--out", out)
    assert run("protocol", "sweep", *words, *vary) == 0
    first, second = results(out).values()
    assert first.metrics == second.metrics
    assert first.setting != second.setting


@pytest.mark.parametrize("protocol", ["domain-generalization", "cross-dataset"])
def test_transfer_tests_the_source_and_every_target(toy_recipe, tmp_path, protocol, toy_root):
    out, target = tmp_path / "out", toy_root / "toy.yaml"
    words = ("--recipe", toy_recipe, "--method", "aape", "--seeds", 1, "--out", out, "--targets", target)
    assert run("protocol", protocol, *words) == 0
    (result,) = results(out).values()
    places = {name.rpartition("/")[0] for name in result.metrics}
    assert "source" in places
    assert len(places) == 2
    (place,) = places - {"source"}
    # The target is the source here, so the same network meets the same images twice.
    assert result.metrics[f"{place}/accuracy"] == result.metrics["source/accuracy"]


def test_another_target_is_another_configuration(toy_recipe, tmp_path, toy_root):
    out, target = tmp_path / "out", toy_root / "toy.yaml"
    words = ("protocol", "cross-dataset", "--recipe", toy_recipe, "--method", "zero-shot", "--seeds", 1, "--out", out)
    assert run(*words, "--targets", target) == 0
    first = results(out)["toy/zero-shot/seed1"]
    assert run(*words, "--targets", target) == 0
    assert results(out)["toy/zero-shot/seed1"] == first
    assert run(*words, "--targets", "shapes", "--backbone", "shapes-tiny") == 0
    assert "shapes/accuracy" in results(out)["toy/zero-shot/seed1"].metrics


def test_a_target_that_is_not_there_is_told_before_anything_is_trained(toy_recipe, tmp_path, capsys):
    out = tmp_path / "out"
    words = ("--recipe", toy_recipe, "--method", "aape", "--seeds", 1, "--out", out, "--targets", "caltech101")
    assert run("protocol", "cross-dataset", *words) == 1
    assert "1 of 1 jobs failed" in capsys.readouterr().err
    assert not list(out.rglob("*.ckpt"))


def test_a_target_named_twice_is_refused(toy_recipe, tmp_path, capsys):
    words = ("--recipe", toy_recipe, "--method", "zero-shot", "--seeds", 1, "--out", tmp_path / "out")
    assert run("protocol", "domain-generalization", *words, "--targets", "shapes/sketch", "shapes/sketch:target") == 1
    assert "two of source and targets 'shapes-sketch'" in capsys.readouterr().err


def test_domain_generalization_without_targets_names_what_is_missing(toy_recipe, tmp_path, capsys):
    words = ("--recipe", toy_recipe, "--method", "zero-shot", "--seeds", 1, "--out", tmp_path / "out")
    assert run("protocol", "domain-generalization", *words) == 1
    assert "Name them: --targets MANIFEST" in capsys.readouterr().err


def test_a_dry_run_tells_what_is_done_and_runs_nothing(toy_recipe, tmp_path, capsys):
    out = tmp_path / "out"
    words = ("protocol", "base-to-new", "--recipe", toy_recipe, "--out", out, "--seeds", 1)
    assert run(*words, "--method", "zero-shot") == 0
    before = (out / "toy/zero-shot/seed1/result.json").stat().st_mtime_ns
    capsys.readouterr()
    assert run(*words, "--method", "zero-shot", "--method", "aape", "--dry-run") == 0
    told = capsys.readouterr().out
    assert "toy/zero-shot/seed1  done\ntoy/aape/seed1  to run\n" in told
    assert "2 jobs: 1 done, 1 to run" in told
    assert not (out / "toy/aape").exists()
    assert (out / "toy/zero-shot/seed1/result.json").stat().st_mtime_ns == before
    assert run(*words, "--method", "zero-shot", "--dry-run", "--data.seed", 7, "--data.shots", 2) == 0
    assert "1 to run again" in capsys.readouterr().out


def test_jobs_in_several_processes_give_the_same_results(toy_recipe, tmp_path, capsys):
    words = ("protocol", "base-to-new", "--recipe", toy_recipe, "--method", "coop", "--method", "aape", "--seeds", 1)
    more = ("--trainer.max_epochs", 2)
    assert run(*words, "--out", tmp_path / "one", *more) == 0
    assert run(*words, "--out", tmp_path / "two", "--jobs", 2, *more) == 0
    alone, together = results(tmp_path / "one"), results(tmp_path / "two")
    assert {name: (result.metrics, result.config_hash) for name, result in alone.items()} == {
        name: (result.metrics, result.config_hash) for name, result in together.items()
    }
    assert (tmp_path / "two/toy/aape/seed1/output.txt").is_file()


def test_a_process_that_dies_takes_its_own_job_alone(toy_recipe, tmp_path, capsys, method):
    (tmp_path / "deadly.py").write_text(
        "import os\n"
        "from aape_lightning.baselines import ZeroShotTask\n"
        "class DeadlyTask(ZeroShotTask):\n"
        "    def on_test_start(self):\n"
        "        os._exit(9)\n"
    )
    deadly = method("deadly", "model: {class_path: deadly.DeadlyTask}\n")
    out = tmp_path / "out"
    words = ("--recipe", toy_recipe, "--method", deadly, "--method", "zero-shot", "--seeds", 1, 2, "--out", out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        patch.syspath_prepend(str(tmp_path))
        assert run("protocol", "base-to-new", *words, "--jobs", 2) == 1
    told = capsys.readouterr().err
    assert "2 of 4 jobs failed" in told
    assert "  toy, deadly, seed 1; toy, deadly, seed 2: its process ended without a result (exit code 9)" in told
    assert set(results(out)) == {"toy/zero-shot/seed1", "toy/zero-shot/seed2"}
