"""Each logger, tried for real: what another program finds in what it wrote."""

import io
import json
import sys

import pandas as pd
import pytest
from aape_lightning.cli import build
from aape_lightning.errors import RecipeError
from aape_lightning.logs import MetricsFile, TensorBoard, WeightsAndBiases, chosen_loggers, flat_hyper_parameters
from lightning.pytorch.loggers import CSVLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

METRICS = {"train/loss", "train/reward", "train/lr", "train/cross_entropy", "val/accuracy", "val/mean_class_accuracy"}


def events(folder):
    """What TensorBoard itself reads."""
    read = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    read.Reload()
    return read


@pytest.fixture(scope="module")
def default(fit, tmp_path_factory):
    """The folder of a fit that names no logger."""
    return fit(tmp_path_factory.mktemp("default") / "run")


def test_a_fit_writes_tensorboard_and_csv_alike(default):
    read, curves = events(default / "tensorboard"), pd.read_csv(default / "metrics.csv")
    assert set(read.Tags()["scalars"]) >= METRICS
    for name in METRICS:
        logged = curves[["epoch", name]].dropna()
        assert [(event.step, event.value) for event in read.Scalars(name)] == [
            (epoch, pytest.approx(value)) for epoch, value in logged.itertuples(index=False)
        ]


def test_the_learning_rate_is_that_at_the_start_of_each_epoch(default):
    values = pd.read_csv(default / "metrics.csv")["train/lr"].dropna()
    assert values.tolist() == pytest.approx([1e-3, 1e-4])  # that of the aggregator, and that of the generator


def test_tensorboard_knows_the_hyper_parameters(default):
    from tensorboard.plugins.hparams import plugin_data_pb2

    found = plugin_data_pb2.HParamsPluginData()
    found.ParseFromString(events(default / "tensorboard").PluginTagToContent("hparams")["_hparams_/session_start_info"])
    told = found.session_start_info.hparams
    assert told["model/class"].string_value == "ClassificationTask"
    assert told["model/distillation_weight"].number_value == 5
    assert told["data/shots"].number_value == 4
    assert told["trainer/max_epochs"].number_value == 2
    assert told["seed"].number_value == 1
    assert not {"lr", "_instantiator"} & set(told)  # a task's own names, which Lightning would log


def test_example_images_and_attention_are_shown(default):
    read = events(default / "tensorboard")
    assert set(read.Tags()["images"]) == {"examples/images", "examples/attention"}
    for name in ("examples/images", "examples/attention"):
        (event,) = read.Images(name)
        assert event.step == 1
        image = Image.open(io.BytesIO(event.encoded_image_string)).convert("L")
        assert len(set(image.resize((64, 64)).tobytes())) > 10  # something is drawn


def test_csv_alone(fit, tmp_path):
    folder = fit(tmp_path / "run", "--config=csv")
    assert (folder / "metrics.csv").is_file()
    assert not (folder / "tensorboard").exists()


def test_no_logger_at_all(fit, tmp_path):
    folder = fit(tmp_path / "run", "--trainer.logger=false")
    assert not {"metrics.csv", "tensorboard"} & {path.name for path in folder.iterdir()}


def test_wandb_offline(fit, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    from wandb_file import records

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = fit(tmp_path / "run", "--config=wandb", "--trainer.logger.project=mine")
    wandb.teardown()  # its own process has written all then
    (stored,) = (tmp_path / "runs" / "wandb").glob("offline-run-*/run-*.wandb")
    found = list(records(stored))
    rows = [{"/".join(item.nested_key) or item.key: item.value_json for item in one.history.item} for one in found]
    logged = [(int(row["epoch"]), float(row["val/accuracy"])) for row in rows if "val/accuracy" in row]
    curves = pd.read_csv(folder / "metrics.csv")
    assert logged == [tuple(row) for row in curves[["epoch", "val/accuracy"]].dropna().itertuples(index=False)]
    assert METRICS | {"examples/attention/path"} <= {name for row in rows for name in row}
    config = {item.key: json.loads(item.value_json) for one in found for item in one.config.update}
    assert config["model/distillation_weight"] == 5
    assert config["data/shots"] == 4
    axes = {one.metric.glob_name: one.metric.step_metric for one in found if one.metric.glob_name}
    assert axes == {"*": "epoch"}
    runs = [one.run for one in found if one.run.display_name]
    assert (runs[-1].project, runs[-1].display_name.split("/")[-1]) == ("mine", "run")
    assert {"metrics.csv", "config.yaml"} <= {path.name for path in folder.iterdir()}
    assert not (folder / "tensorboard").exists()


def test_mlflow_in_a_folder(fit, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    fit(tmp_path / "run", "--config=mlflow", "--trainer.logger.experiment=mine")
    from mlflow import MlflowClient

    client = MlflowClient("file:runs/mlruns")
    (run,) = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    assert set(run.data.metrics) >= METRICS
    assert run.data.params["data/shots"] == "4"
    assert run.data.params["model/class"] == "ClassificationTask"
    assert (run.info.status, run.info.run_name.split("/")[-1]) == ("FINISHED", "run")
    curves = pd.read_csv(tmp_path / "run" / "metrics.csv")
    logged = [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, "val/accuracy")]
    assert logged == [tuple(row) for row in curves[["epoch", "val/accuracy"]].dropna().itertuples(index=False)]
    assert {file.path for file in client.list_artifacts(run.info.run_id, "examples")} == {
        "examples/images.png", "examples/attention.png",
    }  # fmt: skip


def test_mlflow_refusals_are_told(tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    with pytest.raises(RecipeError, match="MLflow refuses 'gopher://x'"):
        build(["--config=shapes", "--config=mlflow", "--trainer.logger.tracking_uri=gopher://x"])


@pytest.mark.parametrize(
    ("recipe", "library", "extra"),
    [("tensorboard", "tensorboard", "logs"), ("wandb", "wandb", "wandb"), ("mlflow", "mlflow", "mlflow")],
)
def test_a_missing_library_names_its_extra(recipe, library, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setattr("aape_lightning.logs.base.find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=rf"needs {library}.*aape-lightning\[{extra}\]"):
        build(["--config=shapes", f"--config={recipe}"])


def test_a_logger_of_lightnings_own_has_the_last_word(tmp_path):
    own = CSVLogger(tmp_path / "elsewhere")
    assert chosen_loggers([own], tmp_path, trains=True) == [own]


def test_a_test_writes_no_curves_and_reaches_servers(tmp_path):
    server = WeightsAndBiases.__new__(WeightsAndBiases)
    assert chosen_loggers([TensorBoard(), MetricsFile(), server], tmp_path, trains=False) == [server]
    assert server.save_dir == str(tmp_path)


def test_flat_names_hold_plain_values_and_no_places():
    config = {
        "model": {"class_path": "a.b.Task", "init_args": {"lr": 0.1, "backbone_spec": None}},
        "data": {"class_path": "Data", "init_args": {"root": "/home/x", "templates": ["a {}."], "store": True}},
        "trainer": {"max_epochs": 3, "devices": "auto", "precision": None},
        "seed_everything": 7,
    }
    assert flat_hyper_parameters(config) == {
        "model/class": "Task", "model/lr": 0.1, "data/class": "Data", "data/templates": "['a {}.']", "data/store": True,
        "trainer/max_epochs": 3, "seed": 7,
    }  # fmt: skip


def test_images_that_are_gone_do_not_fail_a_fit(fit, own_toy_root, tiny_clip, tmp_path):
    places = (f"--data.manifest={own_toy_root}/toy.yaml", f"--data.root={own_toy_root}")
    cache = f"--data.cache_dir={tmp_path / 'cache'}"
    fit(tmp_path / "first", *places, cache)
    for path in (own_toy_root / "toy" / "images").rglob("*.*"):
        path.write_bytes(b"x" * path.stat().st_size)  # no image any more, and as large as before
    with pytest.warns(UserWarning, match="No example pictures are logged"):
        folder = fit(tmp_path / "second", *places, cache)
    assert json.loads((folder / "run.json").read_text())["state"] == "finished"


def test_metrics_that_were_kept_are_never_overwritten(tmp_path):
    for name in ("metrics-2.csv", "metrics-x.csv", "metrics.csv"):
        (tmp_path / name).write_text(name)
    MetricsFile.of(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "metrics-2.csv": "metrics-2.csv", "metrics-x.csv": "metrics-x.csv", "metrics-3.csv": "metrics.csv",
    }  # fmt: skip
