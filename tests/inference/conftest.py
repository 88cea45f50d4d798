import json
from pathlib import Path

import pytest
import torch
import yaml


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Trains a task for some epochs, and returns the folder that its run leaves."""
    from aape_lightning.callbacks import RunFiles
    from lightning.pytorch import Trainer

    def fit(task, data, max_epochs=3):
        folder = tmp_path_factory.mktemp("run")
        trainer = Trainer(
            accelerator="cpu", max_epochs=max_epochs, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
            default_root_dir=str(folder), callbacks=[RunFiles(str(folder))],
        )  # fmt: skip
        trainer.fit(task, datamodule=data)
        return folder

    return fit


@pytest.fixture(scope="session")
def toy(toy_root, tiny_clip):
    """Makes a ClassificationDataModule over the toy dataset; keywords change it."""
    from aape_lightning.data import ClassificationDataModule

    def make(**changes):
        settings = {"root": str(toy_root), "backbone": str(tiny_clip), "prompts": "llm", "shots": 4, "batch_size": 4}
        return ClassificationDataModule(str(toy_root / "toy.yaml"), **settings | {"num_workers": 0} | changes)

    return make


@pytest.fixture(scope="session")
def by_template(run, toy):
    """A run on the base classes, called by a template."""
    from aape_lightning.tasks import ClassificationTask

    return run(ClassificationTask(aggregator_epochs=1, lr=1e-2), toy(classes="base"))


@pytest.fixture(scope="session")
def by_sentences(run, toy):
    """A run on the base classes, called by their sentences."""
    from aape_lightning.tasks import ClassificationTask

    return run(ClassificationTask(aggregator_epochs=1, lr=1e-2), toy(classes="base", class_text="prompts"))


@pytest.fixture(scope="session")
def retriever(run, toy_captions, toy_root, tiny_clip):
    """A retrieval run in the residual form."""
    from aape_lightning.data import RetrievalDataModule
    from aape_lightning.tasks import RetrievalTask

    data = RetrievalDataModule(str(toy_captions), root=str(toy_root), backbone=str(tiny_clip), num_workers=0)
    return run(RetrievalTask(retrieve_with="residual", aggregator_epochs=1, lr=1e-1), data)


@pytest.fixture(scope="session")
def described(toy_captions, toy_root, tiny_clip):
    """Makes a CaptioningDataModule over the toy's captions."""
    from aape_lightning.data import CaptioningDataModule

    def make(**changes):
        settings = {"root": str(toy_root), "backbone": str(tiny_clip), "batch_size": 10, "num_workers": 0}
        settings |= {"prompt": "", "decoding": {"max_new_tokens": 6}, "tokenizer": "simple"}
        return CaptioningDataModule(str(toy_captions), **settings | changes)

    return make


@pytest.fixture(scope="session")
def captioner(run, described):
    """A captioning run."""
    from aape_lightning.tasks import CaptioningTask

    return run(CaptioningTask(language_model="shapes-lm", aggregator_epochs=1), described())


@pytest.fixture(scope="session")
def asked(toy_root, tiny_clip, toy_captions):
    """Makes a VQADataModule over two questions about each of the toy's images."""
    from aape_lightning.data import VQADataModule

    split = json.loads((toy_root / "toy" / "split_toy.json").read_text())
    files = {}
    for part, entries in split.items():
        lines = ["image,question,answer"]
        for path, label, name in entries:
            lines += [f"{path},what is there?,{name.lower()}", f"{path},is it red?,{'no' if label else 'yes'}"]
        files[part] = f"{part}_inference.csv"
        (toy_root / "toy" / files[part]).write_text("\n".join(lines) + "\n")
    manifest = {
        "name": "toy_inference", "kind": "questions", "folder": ["toy"], "images": "images",
        "split": {"format": "csv", "files": files}, "licence": "none", "source": "made by a test",
    }  # fmt: skip
    (toy_root / "toy_inference.yaml").write_text(yaml.safe_dump(manifest))

    def make(**changes):
        settings = {"root": str(toy_root), "backbone": str(tiny_clip), "batch_size": 20, "num_workers": 0, "prompt": ""}
        settings |= {"captions": str(toy_captions), "decoding": {"max_new_tokens": 6}, "truncate": False}
        return VQADataModule(str(toy_root / "toy_inference.yaml"), **settings | changes)

    return make


@pytest.fixture(scope="session")
def answerer(run, asked):
    """A run that answers by a language model."""
    from aape_lightning.tasks import VQATask

    return run(VQATask(language_model="shapes-lm", aggregator_epochs=1), asked())


@pytest.fixture(scope="session")
def chooser(run, asked):
    """A run that chooses among known answers."""
    from aape_lightning.tasks import VQAClassifierTask

    return run(VQAClassifierTask(aggregator_epochs=1, hidden=64), asked(head="discriminative"))


@pytest.fixture(scope="session")
def test_images(toy_root):
    """The files of the toy's test images, in the order of the split."""
    split = json.loads((toy_root / "toy" / "split_toy.json").read_text())
    return [str(toy_root / "toy" / "images" / path) for path, _, _ in split["test"]]


@pytest.fixture
def predict(quiet_trainer):
    """What a Trainer predicts by a checkpoint on a DataModule's test images: the independent witness."""

    def through_a_trainer(task_class, path, data):
        task = task_class.load_from_checkpoint(path, map_location="cpu", weights_only=True)
        return quiet_trainer().predict(task, datamodule=data)

    return through_a_trainer


@pytest.fixture
def changed(tmp_path):
    """Copies a checkpoint and changes the copy; returns its path."""

    def copy(path: Path, change):
        checkpoint = torch.load(path, weights_only=True)
        change(checkpoint)
        torch.save(checkpoint, tmp_path / "changed.ckpt")
        return tmp_path / "changed.ckpt"

    return copy
