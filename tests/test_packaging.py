"""The built wheel, in a folder of its own, run from an empty one."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*words, **options):
    return subprocess.run(
        [sys.executable, *map(str, words)], check=True, capture_output=True, text=True, **options
    ).stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run("-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Runs `aape` of the unpacked wheel from an empty folder."""
    site = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(site)

    def aape(folder, *words):
        environment = os.environ | {"PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}
        where = run("-c", "import aape_lightning; print(aape_lightning.__file__)", cwd=folder, env=environment)
        assert Path(where.strip()).is_relative_to(site)
        return run("-m", "aape_lightning", *words, cwd=folder, env=environment)

    return aape


def test_the_wheel_carries_recipes_manifests_and_weights(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, place in (("recipes", "_recipes"), ("data_manifests", "_data_manifests")):
        files = {path.relative_to(ROOT / folder).as_posix() for path in (ROOT / folder).rglob("*.yaml")}
        assert {f"aape_lightning/{place}/{file}" for file in files} <= names
    assert "aape_lightning/backbones/weights/shapes_tiny.pt" in names
    assert "aape_lightning/report/templates/report.html.j2" in names
    assert not [name for name in names if name.startswith("tests")]


def test_recipes_go_by_name_from_anywhere(installed, tmp_path):
    printed = installed(tmp_path, "fit", "--config", "caltech101", "--print_config")
    assert "manifest: caltech101" in printed


def test_draws_go_by_name_from_anywhere(installed, tmp_path):
    rows = [[f"{label}/{k}.jpg", label, f"class {label}"] for label in range(3) for k in range(4)]
    (tmp_path / "split.json").write_text(json.dumps({"train": rows, "val": rows, "test": rows}))
    words = ["--manifest", "caltech101", "--shots", "1", "--seed", "1", "--split-file", "split.json"]
    drawn = json.loads(installed(tmp_path, "data", "draw", *words))
    assert [path.split("/")[0] for path in drawn["train"]] == ["0", "1", "2"]


@pytest.mark.shared_data
def test_the_caltech_recipe_trains_from_an_empty_folder(installed, shared_data, tmp_path):
    settings = {
        "data.root": shared_data,
        "data.backbone": shared_data / "pretrained" / "small_clip.pt",
        "data.shots": 1,
        "data.views": 0,
        "data.classes": "base",
        "data.num_workers": 0,
        "trainer.max_epochs": 2,
        "trainer.enable_progress_bar": "false",
        "trainer.num_sanity_val_steps": 0,
        "model.aggregator_epochs": 1,
    }
    words = [word for name, value in settings.items() for word in (f"--{name}", value)]
    printed = installed(tmp_path, "fit", "--config", "caltech101", *words)
    run_folder = next(tmp_path.glob("runs/caltech101/*"))
    assert (run_folder / "aape.ckpt").is_file()
    assert "Test it: aape test --config runs/caltech101/" in printed
