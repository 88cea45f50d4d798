"""An image that is deleted or cut short while a command works: told by its name; once it is back, nothing is amiss."""

import shutil

import disks
import harness
import pandas as pd
import pytest
import torch

FAULTS = ("deleted", "truncated")


def damage(path, fault):
    if fault == "deleted":
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(path.read_bytes()[:150])


class Vanishing:
    """Damages an image when a victim, or one of its workers, is about to decode it for the nth time."""

    def __init__(self, path, fault, nth, counter):
        self.path, self.fault, self.nth, self.counter = path, fault, nth, counter

    def __call__(self):
        import aape_lightning.data.images
        import aape_lightning.inference.images

        decode = aape_lightning.data.images.decode

        def decode_what_is_left(path):
            if path == self.path:
                with self.counter.open("a") as counter:
                    counter.write(".")
                if self.counter.stat().st_size == self.nth:
                    damage(path, self.fault)
            return decode(path)

        for images in (aape_lightning.data.images, aape_lightning.inference.images):
            images.decode = decode_what_is_left


@pytest.fixture
def world(toy_recipe, own_toy_root, tmp_path):
    """The toy recipe on images that may be damaged, and the image that will be."""
    where = ["--data.root", own_toy_root, "--data.manifest", own_toy_root / "toy.yaml"]
    chosen = sorted((own_toy_root / "toy" / "images").rglob("*.png"))[3]
    shutil.copy(chosen, tmp_path / "kept.png")
    return toy_recipe, where, chosen


def run(argv, tmp_path, cache="cache", prepare=None):
    return harness.run(argv, tmp_path, {"AAPE_CACHE": str(tmp_path / cache)}, log=tmp_path / "log", prepare=prepare)


def state(folder):
    weights = torch.load(folder / "aape.ckpt", weights_only=True)["state_dict"]
    return {name: tensor.tolist() for name, tensor in weights.items()}, (folder / "metrics.csv").read_text()


def without_times(table):
    return pd.read_csv(table).drop(columns="seconds_per_image", errors="ignore").to_dict()


def trained_images(world, tmp_path):
    """The images that the recipe trains on, in the order in which a first epoch asks for them."""
    recipe, where, _ = world
    seen = tmp_path / "seen"

    def note():
        import aape_lightning.data.images as images

        decode = images.decode

        def noting(path):
            with seen.open("a") as file:
                file.write(f"{path}\n")
            return decode(path)

        images.decode = noting

    argv = ["fit", "--config", recipe, *where, "--data.store", "false", "--run", tmp_path / "undisturbed"]
    ended = run(argv, tmp_path, "cache0", note)
    assert ended.code == 0, ended.log
    lines = seen.read_text().splitlines()
    return [line for line in dict.fromkeys(lines) if lines.count(line) > 2]  # in every epoch


@pytest.mark.parametrize("fault", FAULTS)
def test_while_a_store_is_built(fault, world, tmp_path):
    recipe, where, image = world
    argv = ["cache", "build", "--recipe", recipe, *map(str, where)]
    assert run(argv, tmp_path, "undisturbed").code == 0
    whole = disks.files(tmp_path / "undisturbed")
    ended = run(argv, tmp_path, prepare=Vanishing(image, fault, 1, tmp_path / "counter"))
    disks.assert_told_once(ended, image, "aape data check --manifest")
    shutil.copy(tmp_path / "kept.png", image)
    ended = run(argv, tmp_path)
    assert ended.code == 0, ended.log
    assert disks.files(tmp_path / "cache") == whole
    disks.survived("store building", f"image {fault}")


@pytest.mark.parametrize(("fault", "workers"), [("deleted", 2), ("truncated", 0)])
def test_while_it_is_trained_on_images(fault, workers, world, tmp_path):
    from pathlib import Path

    recipe, where, _ = world
    image = Path(trained_images(world, tmp_path)[2])
    shutil.copy(image, tmp_path / "kept.png")
    argv = ["fit", "--config", recipe, *where, "--data.store", "false", "--run", tmp_path / "run"]
    argv += ["--data.num_workers", workers]
    ended = run(argv, tmp_path, "cache0", prepare=Vanishing(image, fault, 2, tmp_path / "counter"))
    disks.assert_told_once(ended, image, "aape data check --manifest")
    assert not (tmp_path / "run" / "aape.ckpt").exists()
    shutil.copy(tmp_path / "kept.png", image)
    ended = run(argv, tmp_path, "cache0")
    assert ended.code == 0, ended.log
    assert state(tmp_path / "run") == state(tmp_path / "undisturbed")
    disks.survived("training on images", f"image {fault}")


@pytest.mark.parametrize("fault", FAULTS)
def test_between_the_check_and_the_training(fault, world, tmp_path):
    recipe, where, image = world
    checked = run(["data", "check", "--manifest", where[3], "--root", where[1]], tmp_path)
    assert checked.code == 0, checked.log
    damage(image, fault)
    argv = ["cache", "build", "--recipe", recipe, *map(str, where)]
    ended = run(argv, tmp_path)
    disks.assert_told_once(ended, image, "aape data check --manifest")
    shutil.copy(tmp_path / "kept.png", image)
    assert run(argv, tmp_path).code == 0
    disks.survived("store building", f"image {fault} before")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("command", ["embed", "classify"])
def test_while_images_are_used(command, fault, world, tmp_path):
    recipe, where, image = world
    ended = run(["fit", "--config", recipe, *where, "--run", tmp_path / "run"], tmp_path)
    assert ended.code == 0, ended.log
    out = tmp_path / "out.csv"
    argv = [command, tmp_path / "run" / "aape.ckpt", image.parents[1], "--out", out]
    assert run(argv, tmp_path).code == 0
    whole = without_times(out)
    out.unlink()
    ended = run(argv, tmp_path, prepare=Vanishing(image, fault, 1, tmp_path / "counter"))
    assert ended.code == 1, ended.log
    assert "Traceback" not in ended.log, ended.log
    assert image.name in ended.log
    assert not out.exists() or image.name not in out.read_text()
    shutil.copy(tmp_path / "kept.png", image)
    assert run(argv, tmp_path).code == 0
    assert without_times(out) == whole
    disks.survived(command, f"image {fault}")
