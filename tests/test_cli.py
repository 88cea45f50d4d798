"""The door: every command as a user types it, and every wrong input as a user would meet it."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from aape_lightning.__main__ import main
from aape_lightning.arguments import expand_recipes, recipe_arguments
from aape_lightning.cli import build
from aape_lightning.errors import RecipeError
from aape_lightning.protocols.results import Result
from aape_lightning.resources import method_names, method_path, recipe_names, recipe_path
from aape_lightning.tasks import ClassificationTask

TASKS = ("ClassificationTask", "GeneratorTask", "AggregatorTask")
QUIET = [
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--trainer.num_sanity_val_steps=0",
]


def toy_arguments(root, clip, **data):
    settings = {"root": root, "backbone": clip, "prompts": "llm", "shots": 4, "batch_size": 4, "num_workers": 0}
    given = [f"--data.{name}={value}" for name, value in (settings | data).items()]
    return ["--data=ClassificationDataModule", f"--data.manifest={root}/toy.yaml", *given]


def fit_arguments(root, clip, run, *changes, task="ClassificationTask"):
    epochs = [] if task == "AggregatorTask" else ["--model.aggregator_epochs=1"]
    return [
        "fit", f"--model={task}", *epochs, *toy_arguments(root, clip, classes="base"), *QUIET,
        "--trainer.max_epochs=3", f"--run={run}", *changes,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def trained(toy_root, tiny_clip, tmp_path_factory):
    """The run folder of a finished `aape fit` on the toy dataset's base classes."""
    run = tmp_path_factory.mktemp("runs") / "run"
    assert main(fit_arguments(toy_root, tiny_clip, run)) == 0
    return run


def run_main(arguments, capsys):
    """Exit code and standard error of a command."""
    code = main([str(argument) for argument in arguments])
    return code, capsys.readouterr().err


# ---- help ----------------------------------------------------------------------------------------------------------


def test_a_tasks_own_help_lists_its_choices(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--model.help", "ClassificationTask"])
    assert stop.value.code == 0
    assert "{bottleneck,residual,full,none}" in re.sub(r"\s", "", capsys.readouterr().out)


# ---- fit, test, predict ------------------------------------------------------------------------------------------


def test_a_run_leaves_its_files(trained):
    found = {path.name for path in trained.iterdir()}
    assert found == {
        "config.yaml", "hparams.yaml", "metrics.csv", "last.ckpt", "aape.ckpt", "aggregator.safetensors", "run.json",
        "README.md", "tensorboard",
    }  # fmt: skip
    curves = pd.read_csv(trained / "metrics.csv")
    assert {"train/reward", "train/cross_entropy", "train/distillation", "train/loss", "val/accuracy"} <= set(curves)


@pytest.mark.parametrize("classes", ["base", "new", "all"])
def test_a_checkpoint_tests_on_any_classes(trained, classes, capsys):
    arguments = ["--config", trained / "config.yaml", "--ckpt_path", trained / "aape.ckpt", "--data.classes", classes]
    assert run_main(["test", *arguments], capsys)[0] == 0
    result = Result.read(trained / f"test-{classes}" / "result.json")
    assert 0 <= result.metrics["test/accuracy"] <= 1
    assert result.config["data"]["init_args"]["classes"] == classes


def test_predictions_name_every_test_image_once(trained, toy_root, capsys):
    arguments = ["--config", trained / "config.yaml", "--ckpt_path", trained / "aape.ckpt", "--data.classes", "new"]
    assert run_main(["predict", *arguments], capsys)[0] == 0
    table = pd.read_csv(trained / "predict-new" / "predictions.csv")
    split = json.loads((toy_root / "toy" / "split_toy.json").read_text())
    assert sorted(table["path"]) == sorted(path for path, label, _ in split["test"] if label >= 3)
    assert table["probability"].between(0.5, 1.0).all()  # two classes


def test_a_python_checkpoint_serves_the_command_line(toy_data, quiet_trainer, toy_root, tiny_clip, tmp_path, capsys):
    task, trainer = ClassificationTask(aggregator_epochs=1), quiet_trainer(max_epochs=2)
    trainer.fit(task, datamodule=toy_data(classes="base"))
    trainer.save_checkpoint(tmp_path / "python.ckpt")
    expected = trainer.test(task, datamodule=toy_data(classes="new"), verbose=False)[0]
    arguments = ["--model=ClassificationTask", *toy_arguments(toy_root, tiny_clip, classes="new"), *QUIET]
    checkpoint = ["--ckpt_path", tmp_path / "python.ckpt", "--run", tmp_path / "out"]
    code, error = run_main(["test", *arguments, *checkpoint], capsys)
    assert code == 0, error
    assert Result.read(tmp_path / "out" / "result.json").metrics == pytest.approx(expected)


def test_a_command_line_checkpoint_serves_python(trained, toy_data, quiet_trainer, capsys):
    task = ClassificationTask.load_from_checkpoint(trained / "aape.ckpt")
    measured = quiet_trainer().test(task, datamodule=toy_data(classes="new"), verbose=False)[0]
    arguments = ["--config", trained / "config.yaml", "--ckpt_path", trained / "aape.ckpt", "--data.classes", "new"]
    assert run_main(["test", *arguments], capsys)[0] == 0
    assert Result.read(trained / "test-new" / "result.json").metrics == pytest.approx(measured)


def test_a_saved_configuration_runs_again_to_the_same_weights(trained, tmp_path, capsys):
    assert run_main(["fit", "--config", trained / "config.yaml", "--run", tmp_path / "again"], capsys)[0] == 0
    states = [torch.load(folder / "aape.ckpt")["state_dict"] for folder in (trained, tmp_path / "again")]
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name


def test_a_resumed_runs_configuration_runs_again_from_the_start(toy_root, tiny_clip, tmp_path, capsys):
    run, again = tmp_path / "run", tmp_path / "again"
    assert main(fit_arguments(toy_root, tiny_clip, run)) == 0
    finished = torch.load(run / "aape.ckpt")["state_dict"]
    resume = ["fit", "--config", run / "config.yaml", "--ckpt_path", run / "last.ckpt"]
    assert run_main(resume, capsys)[0] == 0
    assert run_main(["fit", "--config", run / "config.yaml", "--run", again], capsys)[0] == 0
    for name, tensor in torch.load(again / "aape.ckpt")["state_dict"].items():
        assert torch.equal(tensor, finished[name]), name


def test_a_run_is_not_resumed_for_other_epochs(trained, tmp_path, capsys):
    before = sorted(path.name for path in trained.iterdir())
    arguments = ["--config", trained / "config.yaml", "--ckpt_path", trained / "last.ckpt", "--run", tmp_path / "more"]
    code, error = run_main(["fit", *arguments, "--trainer.max_epochs", 9], capsys)
    assert code == 1
    assert one_screen(error), error
    assert "planned for 3 epochs" in error
    assert sorted(path.name for path in trained.iterdir()) == before


@pytest.mark.parametrize("command", ["test", "predict", "validate"])
def test_untrained_weights_are_not_evaluated(command, trained, tmp_path, capsys):
    arguments = ["--config", trained / "config.yaml", "--run", tmp_path / "out"]
    code, error = run_main([command, *arguments], capsys)
    assert code == 1
    assert "--ckpt_path" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("task", TASKS)
def test_every_task_fits_from_the_command_line(task, toy_root, tiny_clip, tmp_path):
    assert main(fit_arguments(toy_root, tiny_clip, tmp_path / "run", task=task)) == 0
    assert (tmp_path / "run" / "aape.ckpt").is_file() == (task != "AggregatorTask")
    assert (tmp_path / "run" / "aggregator.safetensors").is_file()


def test_mixed_precision_trains_and_tests(toy_root, tiny_clip, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(fit_arguments(toy_root, tiny_clip, run, "--trainer.precision=bf16-mixed")) == 0
    arguments = ["--config", run / "config.yaml", "--ckpt_path", run / "aape.ckpt", "--data.classes", "new"]
    assert run_main(["test", *arguments], capsys)[0] == 0


# ---- recipes -------------------------------------------------------------------------------------------------------


LAID_OVER = ("ddp", "fsdp", "csv", "tensorboard", "wandb", "mlflow")


@pytest.mark.parametrize("name", [name for name in recipe_names() if name not in LAID_OVER])
def test_every_recipe_is_valid_and_documents_its_command(name, tiny_clip, toy_root):
    text = recipe_path(name).read_text()
    assert re.match(r"# .+", text)
    assert re.search(rf"#   aape fit\s+--config (\S*/)?{name}", text)
    dataset = ["--data.images", str(toy_root / "toy" / "images")] if name == "own" else []
    build(["--config", name, "--trainer.logger=false", *dataset])


def test_the_sharded_strategy_lies_over_a_recipe(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["fit", "--config", "coco_captioning", "--config", "fsdp", "--print_config"])
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["trainer"]["strategy"]["class_path"].endswith("FSDPStrategy")
    assert printed["trainer"]["accumulate_grad_batches"] == 8
    assert printed["model"]["init_args"]["language_model"] == "EleutherAI/gpt-j-6b"


def test_ddp_lies_over_every_recipe(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["fit", "--config", "caltech101", "--config", "ddp", "--trainer.num_nodes", "2", "--print_config"])
    trainer = yaml.safe_load(capsys.readouterr().out)["trainer"]
    assert (trainer["strategy"], trainer["devices"], trainer["num_nodes"]) == ("ddp", "auto", 2)


def test_the_recipe_for_ones_own_images_asks_for_them(capsys):
    assert main(["fit", "--config", "own"]) == 1
    assert "No dataset is named: --data.manifest NAME" in capsys.readouterr().err


@pytest.mark.parametrize("method", method_names())
def test_every_method_lies_over_a_recipe(method):
    stated = yaml.safe_load(method_path(method).read_text())["model"].get("init_args", {})
    cli = build(recipe_arguments("shapes", str(method_path(method)), overrides=["--", "--model.lr", "0.5"]))
    if "lr" in cli.model.hparams:
        assert cli.model.hparams["lr"] == stated.get("lr", 0.5)


def test_a_method_is_what_it_says_whatever_is_overridden():
    arguments = recipe_arguments(
        "shapes", str(method_path("aape-no-distill")), overrides=["--model.distillation_weight", "3"]
    )
    assert build(arguments).model.hparams["distillation_weight"] == 0


def test_short_names_become_files():
    assert expand_recipes(["--config", "shapes", "-c=x", "--config=caltech101"]) == [
        "--config", str(recipe_path("shapes")), "-c=x", f"--config={recipe_path('caltech101')}",
    ]  # fmt: skip


# ---- protocol and report -----------------------------------------------------------------------------------------


def protocol(recipe, out, *more, methods=("zero-shot", "prompt-mean", "aape"), seeds=(1, 2)):
    chosen = [word for method in methods for word in ("--method", method)]
    return ["protocol", "base-to-new", "--recipe", recipe, *chosen, "--seeds", *seeds, "--out", out, *more]


def results_under(folder):
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("result.json")}


def test_a_protocol_goes_from_images_to_a_report(toy_recipe, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([str(word) for word in protocol(toy_recipe, out, "--report")]) == 0
    printed = capsys.readouterr().out
    assert f"Report: {out / 'report.html'}" in printed
    assert printed.count("zero-shot") == 1  # one table
    assert {path.name for path in out.iterdir()} >= {"report.html", "table.md", "table.csv", "figures"}
    assert len(results_under(out)) == 6
    table = pd.read_csv(out / "table.csv").set_index("method")
    assert np.isfinite(table.loc["aape", ["base_mean", "new_mean", "h_of_means", "mean_of_h_sd"]].astype(float)).all()


def test_running_a_protocol_again_does_only_what_is_missing(toy_recipe, tmp_path, capsys):
    out = tmp_path / "out"
    assert run_main(protocol(toy_recipe, out), capsys)[0] == 0
    before = results_under(out)
    (out / "toy" / "aape" / "seed2" / "result.json").unlink()
    assert run_main(protocol(toy_recipe, out, seeds=(1, 2, 3)), capsys)[0] == 0
    after = results_under(out)
    kept = before.keys() - {"toy/aape/seed2/result.json"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert len(after) == 9


def test_results_name_their_recipe_and_the_report_its_command(toy_recipe, tmp_path, capsys):
    out = tmp_path / "out"
    assert run_main(protocol(toy_recipe, out, "--report", methods=["aape"], seeds=[1]), capsys)[0] == 0
    assert Result.read(out / "toy/aape/seed1/result.json").recipe == toy_recipe.stem
    assert f"--recipe {toy_recipe.stem}" in (out / "report.html").read_text()


def test_nothing_is_run_when_a_method_is_unknown(toy_recipe, tmp_path, capsys):
    code, error = run_main(protocol(toy_recipe, tmp_path / "out", methods=["zero-shot", "aaape"]), capsys)
    assert code == 1
    assert error.count("'aaape'") == 1
    assert "Did you mean 'aape'" in error
    assert not (tmp_path / "out").exists()


def test_a_changed_setting_is_run_again(toy_recipe, tmp_path, capsys):
    out = tmp_path / "out"
    assert run_main(protocol(toy_recipe, out, methods=["aape"], seeds=[1]), capsys)[0] == 0
    before = results_under(out)
    again = protocol(toy_recipe, out, "--model.lr", "0.01", methods=["aape"], seeds=[1])
    assert run_main(again, capsys)[0] == 0
    assert results_under(out) != before
    assert Result.read(out / "toy/aape/seed1/result.json").config["model"]["init_args"]["lr"] == 0.01


def test_a_failed_job_does_not_stop_the_others(toy_recipe, tmp_path, capsys):
    broken = tmp_path / "broken.yaml"
    broken.write_text("data: {class_path: ClassificationDataModule, init_args: {prompts: no-such-source}}\n")
    methods = [str(broken), "zero-shot"]
    code, error = run_main(protocol(toy_recipe, tmp_path / "out", methods=methods, seeds=[1]), capsys)
    assert code == 1
    assert "1 of 2 jobs failed" in error
    assert "no-such-source" in error
    assert set(results_under(tmp_path / "out")) == {"toy/zero-shot/seed1/result.json"}


def test_cache_builds_what_training_reads(toy_recipe, tmp_path, capsys):
    caches = tmp_path / "caches"
    arguments = ["cache", "build", "--recipe", str(toy_recipe), "--", f"--data.cache_dir={caches}"]
    assert main(arguments) == 0
    assert str(caches) in capsys.readouterr().out
    built = {path.parent.name: path.stat().st_mtime_ns for path in caches.rglob("store.json")}
    assert len(built) == 3  # augmented training views, validation and test images
    assert main(arguments) == 0
    assert {path.parent.name: path.stat().st_mtime_ns for path in caches.rglob("store.json")} == built


# ---- data ----------------------------------------------------------------------------------------------------------


def test_draw_prints_the_draw_and_needs_no_images(own_toy_root, capsys):
    for image in (own_toy_root / "toy" / "images").rglob("*.png"):
        image.unlink()
    manifest = own_toy_root / "toy.yaml"
    assert main(["data", "draw", f"--manifest={manifest}", f"--root={own_toy_root}", "--shots=2", "--seed=1"]) == 0
    drawn = json.loads(capsys.readouterr().out)
    split = json.loads((own_toy_root / "toy" / "split_toy.json").read_text())
    labels = {path: label for part in ("train", "val") for path, label, _ in split[part]}
    assert [labels[path] for path in drawn["train"]] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert len(drawn["val"]) == 10
    elsewhere = own_toy_root / "elsewhere.json"
    (own_toy_root / "toy" / "split_toy.json").rename(elsewhere)
    again = ["data", "draw", f"--manifest={manifest}", "--shots=2", "--seed=1", f"--split-file={elsewhere}"]
    assert main(again) == 0
    assert json.loads(capsys.readouterr().out) == drawn


def test_check_is_content_with_a_whole_dataset_and_names_every_fault(own_toy_root, capsys):
    arguments = ["data", "check", f"--manifest={own_toy_root / 'toy.yaml'}", f"--root={own_toy_root}"]
    assert run_main(arguments, capsys)[0] == 0
    images = sorted((own_toy_root / "toy" / "images").rglob("*.png"))
    images[0].unlink()
    images[1].write_bytes(images[1].read_bytes()[:200])
    code, error = run_main(arguments, capsys)
    assert code == 1
    assert "2 faults" in error
    for image in images[:2]:
        assert str(image) in error


# ---- wrong input ---------------------------------------------------------------------------------------------------


def one_screen(error):
    return "Traceback" not in error and len(error.splitlines()) <= 24 and "aape: error: " in error


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("--model.projektion=none", "projektion"),
        ("--model.projection=linear", "linear"),
        ("--data.classes=basis", "basis"),
        ("--trainer.max_epochs=many", "many"),
        ("--config=no-such-recipe", "no-such-recipe"),
        ("--data.manifest=toi", "toi"),
        ("--data.backbone=ViT-B/17", "Did you mean 'ViT-B/16'"),
        ("--data.prompts=gpt5", "gpt5"),
        ("--data.root=/no/such/root", "/no/such/root"),
        ("--trainer.max_epochs=1", "aggregator_epochs"),
        ("--data.shots=-1", "shots is -1"),
        ("--data.batch_size=0", "batch_size is 0"),
        ("--data.num_workers=-1", "num_workers is -1"),
        ("--model.lr=-1", "lr is -1"),
        ("--model.aggregator_epochs=-1", "aggregator_epochs is -1"),
        ("--model.distillation_weight=-2", "distillation_weight is -2"),
        ("--data.cache_dir=/proc/nope", "/proc/nope"),
    ],
)
def test_wrong_values_are_named_on_one_screen(change, named, toy_root, tiny_clip, tmp_path, capsys):
    run = tmp_path / "run"
    code, error = run_main(fit_arguments(toy_root, tiny_clip, run, change), capsys)
    assert code == 1
    assert one_screen(error), error
    assert named in error
    assert not run.exists() or not [path for path in run.rglob("*") if path.suffix in (".ckpt", ".safetensors")]


def damage_image(root, kind):
    path = sorted((root / "toy" / "images" / "red_car").glob("*.png"))
    for image in path:
        image.unlink() if kind == "missing" else image.write_bytes(image.read_bytes()[:150])
    return "red_car"


@pytest.mark.parametrize("store", ["true", "false"])
@pytest.mark.parametrize("kind", ["missing", "truncated"])
def test_a_damaged_image_is_named(kind, store, own_toy_root, tiny_clip, tmp_path, capsys):
    damage_image(own_toy_root, kind)
    change = [f"--data.store={store}", f"--data.cache_dir={tmp_path / 'cache'}"]
    code, error = run_main(fit_arguments(own_toy_root, tiny_clip, tmp_path / "run", *change), capsys)
    assert code == 1
    assert one_screen(error), error
    assert "red_car" in error
    assert "aape data check" in error
    assert not list((tmp_path / "cache").rglob("store.json"))


def test_a_class_without_sentences_is_named(own_toy_root, tiny_clip, tmp_path, capsys):
    file = own_toy_root / "toy_prompts.json"
    sentences = json.loads(file.read_text())
    del sentences["Blue Boat"]
    file.write_text(json.dumps(sentences))
    code, error = run_main(fit_arguments(own_toy_root, tiny_clip, tmp_path / "run"), capsys)
    assert code == 1
    assert one_screen(error), error
    assert "'Blue Boat'" in error
    assert "aliases" in error


def test_a_class_that_the_context_leaves_without_sentences_is_named(own_toy_root, tiny_clip, tmp_path, capsys):
    file = own_toy_root / "toy_prompts.json"
    sentences = json.loads(file.read_text())
    sentences["Blue Boat"] = ["A boat that is blue, " + "very " * 30 + "blue."]
    file.write_text(json.dumps(sentences))
    code, error = run_main(fit_arguments(own_toy_root, tiny_clip, tmp_path / "run"), capsys)
    assert code == 1
    assert one_screen(error), error
    assert "'Blue Boat'" in error
    assert "--data.truncate true" in error
    assert main(fit_arguments(own_toy_root, tiny_clip, tmp_path / "run", "--data.truncate=true")) == 0


def test_an_empty_split_is_named(own_toy_root, tiny_clip, tmp_path, capsys):
    file = own_toy_root / "toy" / "split_toy.json"
    split = json.loads(file.read_text())
    file.write_text(json.dumps(split | {"test": []}))
    code, error = run_main(fit_arguments(own_toy_root, tiny_clip, tmp_path / "run"), capsys)
    assert code == 1
    assert one_screen(error), error
    assert str(file) in error
    assert "'test'" in error


def test_a_bank_of_another_backbone_is_refused(toy_root, tiny_clip, other_clip, tmp_path, capsys):
    from aape_lightning.backbones import load_backbone
    from aape_lightning.prompts import PromptBank

    other = load_backbone(str(other_clip))
    names = ("red_car", "Blue Boat", "green tree")
    bank = PromptBank.build(other, {name: [f"a {name}"] for name in names}, torch.device("cpu"))
    bank.save(tmp_path / "bank.safetensors", other)
    change = f"--data.prompts={tmp_path / 'bank.safetensors'}"
    code, error = run_main(fit_arguments(toy_root, tiny_clip, tmp_path / "run", change), capsys)
    assert code == 1
    assert one_screen(error), error
    assert str(other_clip) in error
    assert str(tiny_clip) in error


@pytest.mark.parametrize("which", ["other_clip", "wide_clip"])
def test_a_checkpoint_of_another_backbone_is_refused(which, trained, tiny_clip, request, tmp_path, capsys):
    backbone = request.getfixturevalue(which)
    arguments = ["--config", trained / "config.yaml", "--ckpt_path", trained / "aape.ckpt"]
    out = tmp_path / "out"
    code, error = run_main(["test", *arguments, "--data.backbone", backbone, "--run", out], capsys)
    assert code == 1
    assert one_screen(error), error
    assert str(tiny_clip) in error
    assert str(backbone) in error
    assert not (out / "result.json").exists()


def test_a_checkpoint_that_is_none_is_refused(trained, tmp_path, capsys):
    wrong = tmp_path / "wrong.ckpt"
    wrong.write_bytes(b"not a checkpoint")
    for path in (wrong, tmp_path / "absent.ckpt"):
        code, error = run_main(["test", "--config", trained / "config.yaml", "--ckpt_path", path], capsys)
        assert code == 1
        assert one_screen(error), error
        assert str(path) in error


def test_an_inference_checkpoint_is_not_trained_further(trained, tmp_path, capsys):
    arguments = ["--config", trained / "config.yaml", "--ckpt_path", trained / "aape.ckpt", "--run", tmp_path / "more"]
    code, error = run_main(["fit", *arguments], capsys)
    assert code == 1
    assert one_screen(error), error
    assert "last.ckpt" in error


def test_unknown_keys_in_python_are_recipe_errors():
    with pytest.raises(RecipeError, match="not_a_key"):
        build(["--config", "shapes", "--model.not_a_key=1"])


def test_wrong_usage_exits_with_two(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["protocol", "base-to-old"])
    assert stop.value.code == 2
    assert "base-to-old" in capsys.readouterr().err


def test_edited_sentences_are_run_again(own_toy_root, toy_recipe, tmp_path, capsys):
    out, more = tmp_path / "out", ["--data-root", own_toy_root]
    again = protocol(toy_recipe, out, *more, methods=["aape"], seeds=[1])
    assert run_main(again, capsys)[0] == 0
    before = results_under(out)
    assert run_main(again, capsys)[0] == 0
    assert results_under(out) == before
    file = own_toy_root / "toy_prompts.json"
    file.write_text(file.read_text().replace("It looks like", "It is"))
    assert run_main(again, capsys)[0] == 0
    assert results_under(out) != before
