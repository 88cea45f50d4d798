"""What tests share: the local test data, a tiny CLIP, and a toy dataset in CoOp's layout."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

SHARED_DATA = Path(os.environ.get("AAPE_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
TOY_CLASSES = ("red_car", "Blue Boat", "green tree", "yellow sun", "grey stone")
TOY_COLOURS = ((200, 30, 30), (30, 30, 200), (30, 160, 30), (220, 210, 40), (120, 120, 120))


def pytest_collection_modifyitems(items):
    if not SHARED_DATA.is_dir():
        skip = pytest.mark.skip(reason="the local test data are not here; name their folder in $AAPE_TEST_DATA")
        for item in items:
            if "shared_data" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Tests are small: threads cost more than they bring, and every machine computes alike."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory):
    """Stores and banks of all tests, away from the user's own cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AAPE_CACHE", str(folder))
        patch.setenv("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
        yield folder


@pytest.fixture
def shared_data():
    """The folder of the local test data; for tests marked `shared_data`."""
    return SHARED_DATA


def save_random_clip(path, *, seed, embed_dim=32, context_length=24):
    """A random CLIP in OpenAI's format: ViT of one layer on 32 pixels, text tower of one layer."""
    from aape_lightning.backbones.clip import clip
    from aape_lightning.tasks.pretraining import save_openai_weights

    torch.manual_seed(seed)
    model = clip.model.CLIP(embed_dim, 32, 1, 64, 16, context_length, 49408, 64, 1, 1)
    save_openai_weights(model, path)
    return path


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory):
    """The file of a random CLIP: width 32, context 24."""
    return save_random_clip(tmp_path_factory.mktemp("clip") / "tiny.pt", seed=0)


@pytest.fixture(scope="session")
def other_clip(tmp_path_factory):
    """A CLIP of the same width with other weights."""
    return save_random_clip(tmp_path_factory.mktemp("clip") / "other.pt", seed=1)


@pytest.fixture(scope="session")
def wide_clip(tmp_path_factory):
    """A CLIP of another width."""
    return save_random_clip(tmp_path_factory.mktemp("clip") / "wide.pt", seed=2, embed_dim=48)


@pytest.fixture(scope="session")
def tiny_backbone(tiny_clip):
    from aape_lightning.backbones import load_backbone

    return load_backbone(str(tiny_clip))


@pytest.fixture
def embedded(tiny_backbone, monkeypatch):
    """The number of texts in each call of the backbone's text tower."""
    counts, encode = [], tiny_backbone.encode_text

    def counting(tokens):
        counts.append(len(tokens))
        return encode(tokens)

    monkeypatch.setattr(tiny_backbone, "encode_text", counting)
    return counts


def make_toy_dataset(root, *, classes=TOY_CLASSES, counts=(("train", 6), ("val", 3), ("test", 4))):
    """A dataset in CoOp's layout under `root`, with its manifest; returns the manifest's path.

    The sentence file spells two class names in its own way: one by rule, one by an alias.
    """
    folder, pixels = root / "toy", np.random.default_rng(0)
    split, place = {part: [] for part, _ in counts}, 0
    for label, name in enumerate(classes):
        for part, count in counts:
            for _ in range(count):
                path = f"{name.replace(' ', '_')}/{place:04d}.png"
                noise = pixels.integers(0, 60, (40, 48, 3)) + np.array(TOY_COLOURS[label]) * 0.75
                (folder / "images" / path).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(noise.astype(np.uint8)).save(folder / "images" / path)
                split[part].append([path, label, name])
                place += 1
    (folder / "split_toy.json").write_text(json.dumps(split))
    spelled = {"red_car": "Red Car", "grey stone": "pebble (grey)"}
    sentences = {
        spelled.get(name, name): [f"It looks like a {name.lower()} number {k}." for k in range(3 + label)]
        for label, name in enumerate(classes)
    }
    (root / "toy_prompts.json").write_text(json.dumps(sentences))
    manifest = {
        "name": "toy",
        "title": "Toy",
        "folder": ["toy", "Toy-Dataset"],
        "images": "images",
        "split": {"format": "coop", "file": "split_toy.json"},
        "templates": ["a photo of a {}.", "a drawing of a {}."],
        "prompts": {"llm": {"file": "toy_prompts.json", "aliases": {"pebble (grey)": "grey stone"}}},
        "counts": {"classes": len(classes)} | {part: count * len(classes) for part, count in counts},
        "licence": "none",
        "source": "made by tests/conftest.py",
    }
    path = root / "toy.yaml"
    path.write_text(yaml.safe_dump(manifest))
    return path


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory):
    """A data root with the toy dataset; not to be changed by a test."""
    root = tmp_path_factory.mktemp("data")
    make_toy_dataset(root)
    return root


@pytest.fixture
def own_toy_root(tmp_path):
    """A data root with the toy dataset that a test may damage."""
    root = tmp_path / "data"
    root.mkdir()
    make_toy_dataset(root)
    return root


@pytest.fixture(scope="session")
def toy_captions(toy_root):
    """The manifest of the toy's images with captions: two or three each, all different."""
    import csv

    split = json.loads((toy_root / "toy" / "split_toy.json").read_text())
    with (toy_root / "toy" / "captions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "caption", "split"])
        for part, entries in split.items():
            for number, (path, _, name) in enumerate(entries):
                for k in range(2 + number % 2):
                    rows.writerow([path, f"{('a', 'one', 'some')[k]} {name.lower()} {part} {number}", part])
    manifest = {
        "name": "toy_captions",
        "title": "Toy captions",
        "kind": "captions",
        "folder": ["toy"],
        "images": "images",
        "split": {"format": "csv", "file": "captions.csv"},
        "licence": "none",
        "source": "made by tests/conftest.py",
    }
    path = toy_root / "toy_captions.yaml"
    path.write_text(yaml.safe_dump(manifest))
    return path


@pytest.fixture
def toy_data(toy_root, tiny_clip):
    """Makes a ClassificationDataModule over the toy dataset; keywords change it."""
    from aape_lightning.data import ClassificationDataModule

    def make(**changes):
        settings = {"root": str(toy_root), "backbone": str(tiny_clip), "prompts": "llm", "shots": 4, "batch_size": 4}
        return ClassificationDataModule(str(toy_root / "toy.yaml"), **settings | {"num_workers": 0} | changes)

    return make


@pytest.fixture
def quiet_trainer(tmp_path):
    """Makes a Trainer on the CPU that writes nothing of its own; keywords change it."""
    from lightning.pytorch import Trainer

    def make(**changes):
        settings = {
            "accelerator": "cpu",
            "max_epochs": 4,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "default_root_dir": str(tmp_path / "run"),
        }
        return Trainer(**settings | changes)

    return make


@pytest.fixture(scope="session")
def toy_recipe(toy_root, tiny_clip, tmp_path_factory):
    """A recipe of the toy dataset that trains for seconds."""
    recipe = {
        "model": {"class_path": "ClassificationTask", "init_args": {"aggregator_epochs": 1}},
        "data": {
            "class_path": "ClassificationDataModule",
            "init_args": {
                "manifest": str(toy_root / "toy.yaml"), "root": str(toy_root), "backbone": str(tiny_clip),
                "prompts": "llm", "shots": 4, "batch_size": 4, "num_workers": 0, "views": 2,
            },
        },
        "trainer": {"max_epochs": 3, "accelerator": "cpu"},
    }  # fmt: skip
    path = tmp_path_factory.mktemp("recipe") / "toy.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path
