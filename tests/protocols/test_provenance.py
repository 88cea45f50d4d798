import copy
import datetime
import importlib.metadata
import json
import subprocess
import sys

import aape_lightning
import pytest
import torch
from aape_lightning.protocols.provenance import config_hash, device_name, now, versions

CONFIG = {
    "seed_everything": 1,
    "model": {"class_path": "ClassificationTask", "init_args": {"lr": 1e-3, "projection": "residual"}},
    "data": {
        "class_path": "ClassificationDataModule",
        "init_args": {
            "manifest": "toy",
            "root": "data",
            "backbone": "ViT-B/16",
            "prompts": "cupl",
            "shots": 16,
            "seed": 1,
            "classes": "base",
            "views": 0,
            "num_workers": 4,
            "cache_dir": None,
        },
    },
    "trainer": {
        "max_epochs": 50,
        "precision": "32-true",
        "default_root_dir": "runs/a",
        "logger": False,
        "callbacks": None,
        "enable_progress_bar": True,
        "enable_model_summary": True,
    },
}
DETERMINING = {
    "seed_everything": 2,
    "model.class_path": "GeneratorTask",
    "model.init_args.lr": 2e-3,
    "model.init_args.projection": "bottleneck",
    "model.init_args.weight_decay": 0.1,
    "data.class_path": "AnotherDataModule",
    "data.init_args.manifest": "caltech101",
    "data.init_args.prompts": "templates",
    "data.init_args.shots": 8,
    "data.init_args.seed": 2,
    "data.init_args.classes": "all",
    "data.init_args.views": 4,
    "trainer.max_epochs": 51,
    "trainer.precision": "bf16-mixed",
    "trainer.gradient_clip_val": 1.0,
}
PLACES = {
    "data.init_args.root": "elsewhere",
    "data.init_args.cache_dir": "cache",
    "data.init_args.num_workers": 0,
    "data.init_args.backbone": "weights/ViT-B-16.pt",  # the weights count, by their fingerprint; their place does not
    "trainer.default_root_dir": "runs/b",
    "trainer.logger": True,
    "trainer.callbacks": ["a"],
    "trainer.enable_progress_bar": False,
    "trainer.enable_model_summary": False,
}


def changed(key, value):
    config = copy.deepcopy(CONFIG)
    *path, last = key.split(".")
    place = config
    for name in path:
        place = place[name]
    place[last] = value
    return config


@pytest.mark.parametrize(("key", "value"), DETERMINING.items(), ids=DETERMINING)
def test_what_determines_a_result_changes_the_hash(key, value):
    assert config_hash(changed(key, value), "f") != config_hash(CONFIG, "f")


@pytest.mark.parametrize(("key", "value"), PLACES.items(), ids=PLACES)
def test_where_to_compute_does_not_change_the_hash(key, value):
    assert config_hash(changed(key, value), "f") == config_hash(CONFIG, "f")


def test_the_backbones_weights_change_the_hash():
    assert config_hash(CONFIG, "f") != config_hash(CONFIG, "g")


def test_another_generator_behind_the_same_path_changes_the_hash(tmp_path):
    named = changed("model.init_args", {"generator_from": str(tmp_path / "aape.ckpt"), "language_model": str(tmp_path)})
    hashes = []
    for weights in (b"one", b"two"):
        (tmp_path / "aape.ckpt").write_bytes(weights)
        hashes.append(config_hash(named, "f"))
    assert hashes[0] != hashes[1]


def test_a_value_counts_under_its_own_name_only():
    swapped = changed("data.init_args.shots", CONFIG["data"]["init_args"]["seed"])
    swapped["data"]["init_args"]["seed"] = CONFIG["data"]["init_args"]["shots"]
    assert config_hash(swapped, "f") != config_hash(CONFIG, "f")


def test_the_order_of_keys_does_not_count():
    reversed_keys = {name: dict(reversed(value.items())) if isinstance(value, dict) else value
                     for name, value in reversed(CONFIG.items())}  # fmt: skip
    assert config_hash(reversed_keys, "f") == config_hash(CONFIG, "f")


def test_the_configuration_is_left_as_it_was():
    config = copy.deepcopy(CONFIG)
    config_hash(config, "f")
    assert config == CONFIG


def test_a_data_module_without_arguments_and_a_run_without_seed_have_a_hash():
    config = {"model": {}, "data": {"class_path": "ClassificationDataModule"}, "trainer": {}}
    assert len(config_hash(config, "f")) == 64


def test_another_process_has_the_same_hash():
    code = (
        "import json, sys\nfrom aape_lightning.protocols.provenance import config_hash\n"
        "print(config_hash(json.loads(sys.argv[1]), 'f'))"
    )
    command = [sys.executable, "-c", code, json.dumps(CONFIG)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.strip() == config_hash(CONFIG, "f")


def test_versions_name_what_computes_results():
    found = versions()
    assert found["aape_lightning"] == aape_lightning.__version__
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    for name in ("torch", "lightning", "torchmetrics"):
        assert found[name] == importlib.metadata.version(name)


def test_now_is_a_time_in_utc_to_the_second():
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    told = datetime.datetime.fromisoformat(now())
    assert told.utcoffset() == datetime.timedelta(0)
    assert before <= told <= datetime.datetime.now(datetime.UTC)
    assert told.microsecond == 0


def test_devices_have_names(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert device_name(torch.device("cpu")).endswith(" (2 threads)")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    assert device_name(torch.device("cuda", 1)) == "GPU 1"
    assert device_name(torch.device("mps")) == "mps"
