"""Odd data: few classes, few images, odd names, numbers that are none; each works, or is refused by an error."""

import html
import json
import re

import aape_lightning
import numpy as np
import pytest
import torch
import yaml
from aape_lightning.__main__ import main
from aape_lightning.callbacks import RunFiles
from aape_lightning.data import ClassificationDataModule
from aape_lightning.data.finite import first_not_finite
from aape_lightning.data.splits import Item, Split
from aape_lightning.errors import CheckpointError, DataError, PromptError
from aape_lightning.modules import Generator, build_aggregator, build_projection
from aape_lightning.prompts import PromptBank
from aape_lightning.tasks import ClassificationTask
from PIL import Image

ODD_NAMES = [
    "日本の鳥", "עורב שחור", "طائر", "and/or", "../up", "<script>alert(1)</script>", "two\nlines", "{}", "{0}",
    "{name}", "%s", "'; --", '"', "\\", "🐦", "a\u202eb", "long " * 60 + "name",
]  # fmt: skip


@pytest.fixture
def dataset(tmp_path, tiny_clip):
    """Makes a dataset of some classes with so many images a part; returns what makes its DataModules."""

    def make(names, train=3, val=1, test=2):
        (tmp_path / "images").mkdir()
        split, pixels = {"train": [], "val": [], "test": []}, np.random.default_rng(0)
        for part, count in (("train", train), ("val", val), ("test", test)):
            for label, name in enumerate(names):
                for _ in range(count):
                    path = f"{sum(map(len, split.values()))}.png"
                    Image.fromarray(pixels.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(tmp_path / "images" / path)
                    split[part].append([path, label, name])
        (tmp_path / "split.json").write_text(json.dumps(split))
        manifest = tmp_path / "odd.yaml"
        manifest.write_text("{name: odd, root: ., images: images, split: {format: coop, file: split.json}}")
        settings = {"backbone": str(tiny_clip), "num_workers": 0, "prompts": "templates", "shots": 2, "truncate": True}
        settings |= {"cache_dir": str(tmp_path / "cache")}
        return lambda **changes: ClassificationDataModule(str(manifest), **settings | changes)

    return make


@pytest.fixture
def trained(quiet_trainer):
    """Trains on some data."""

    def train(data, **changes):
        task = ClassificationTask(aggregator_epochs=1)
        quiet_trainer(max_epochs=2, **changes).fit(task, datamodule=data)
        return task

    return train


def measure(quiet_trainer, task, data):
    [measured] = quiet_trainer().test(task, datamodule=data, verbose=False)
    assert all(np.isfinite(value) for value in measured.values())
    return measured


# ---- few of something ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("images", [1, 2])
def test_base_and_new_of_two_classes_are_one_each(images, dataset, trained, quiet_trainer):
    data = dataset(["cat", "dog"], test=images)
    task = trained(data(classes="base"))
    for subset in ("base", "new"):
        measured = measure(quiet_trainer, task, data(classes=subset))
        assert measured["test/accuracy"] == measured["test/mean_class_accuracy"] == 1
        assert measured["test/cross_entropy"] == 0
        assert sum(task.outcomes.images) == images


def test_the_protocol_of_two_classes_has_a_table_and_a_report(dataset, tmp_path, tiny_clip, capsys):
    dataset(["<script>alert(1)</script>", "עורב/a\nb"])
    data = {"manifest": str(tmp_path / "odd.yaml"), "backbone": str(tiny_clip), "prompts": "templates"}
    data |= {"truncate": True, "num_workers": 0, "cache_dir": str(tmp_path / "cache")}
    recipe = {
        "model": {"class_path": "ClassificationTask", "init_args": {"aggregator_epochs": 1}},
        "data": {"class_path": "ClassificationDataModule", "init_args": data},
        "trainer": {"max_epochs": 2, "accelerator": "cpu"},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    out, recipe = str(tmp_path / "out"), str(tmp_path / "recipe.yaml")
    methods = ["--method", "zero-shot", "--method", "aape"]
    command = ["protocol", "base-to-new", "--recipe", recipe, *methods, "--seeds", "1", "--out", out, "--report"]
    assert main(command) == 0, capsys.readouterr().err
    assert capsys.readouterr().out.count("100.00") >= 6
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script>alert" not in page
    assert html.escape("<script>alert(1)</script>") in page


def test_one_class_has_no_new_ones(dataset, trained, quiet_trainer):
    data = dataset(["cat"], train=1, test=1)
    assert measure(quiet_trainer, trained(data()), data())["test/accuracy"] == 1
    with pytest.raises(DataError, match=r"The class subset 'new' of 1 class\(es\) is empty"):
        data(classes="new").setup("test")


def test_more_shots_than_images_are_told_once_and_all_are_taken(dataset, trained, caplog):
    data = dataset(["cat", "dog"], train=3)
    with caplog.at_level("INFO", logger="lightning.pytorch.utilities.rank_zero"):
        trained(data(shots=99))
        told = [line for line in caplog.messages if "fewer training images" in line]
        assert told == [
            "2 of 2 classes have fewer training images than the 99 that are asked for, and all of theirs are taken: "
            "'cat (3)', 'dog (3)'."
        ]
        caplog.clear()
        trained(data(shots=3))
    assert not [line for line in caplog.messages if "fewer training images" in line]


def test_without_validation_images_training_goes_without(dataset, trained, quiet_trainer):
    data = dataset(["cat", "dog"], val=0)
    measure(quiet_trainer, trained(data()), data())
    with pytest.raises(DataError, match="The part 'val' of odd is empty"):
        data().setup("validate")


def test_without_test_images_is_an_error(dataset):
    data = dataset(["cat", "dog"], test=0)
    with pytest.raises(DataError, match=r"split\.json.*'test' is empty"):
        data().setup("test")


def test_new_classes_without_test_images_are_an_error(dataset, tmp_path):
    data = dataset(["cat", "dog"])
    split = json.loads((tmp_path / "split.json").read_text())
    split["test"] = [row for row in split["test"] if row[1] == 0]
    (tmp_path / "split.json").write_text(json.dumps(split))
    with pytest.raises(DataError, match="The part 'test' of odd is empty for the 'new' classes"):
        data(classes="new").setup("test")


# ---- odd names and labels --------------------------------------------------------------------------------------------


def test_odd_class_names_come_out_as_they_went_in(dataset, quiet_trainer, tmp_path):
    data = dataset(ODD_NAMES)
    trainer = quiet_trainer(max_epochs=2, callbacks=[RunFiles(str(tmp_path / "run"))])
    trainer.fit(ClassificationTask(aggregator_epochs=1), datamodule=data())
    model = aape_lightning.load(tmp_path / "run", device="cpu")
    found = model.classify(tmp_path / "images", top=len(ODD_NAMES))
    assert found.class_names == ODD_NAMES
    assert {name for name, _ in found.top()[0]} == set(ODD_NAMES)
    assert json.loads(json.dumps(found.as_dicts()))[0]["top"][0]["class"] in ODD_NAMES
    new = model.classify(tmp_path / "images", classes=["{}", "שלום", "a/b"])
    assert new.probabilities.isfinite().all()


def test_a_template_is_filled_with_braces_as_they_are(dataset):
    data = dataset(["{}", "{0}", "{name}"])(prompts="templates")
    data.setup("fit")
    assert data.bank.texts == ["a photo of a {}.", "a photo of a {0}.", "a photo of a {name}."]


def test_a_name_beyond_the_context_is_an_error_that_says_what_to_do(dataset):
    data = dataset(["long " * 60, "cat"])
    with pytest.raises(PromptError, match=r"'long long.*--data\.truncate true"):
        data(truncate=False).setup("fit")


@pytest.mark.parametrize("name", ["", "  ", "\n"])
def test_a_class_without_a_name_is_an_error(name, dataset):
    with pytest.raises(DataError, match=f"Label 1 has the empty name {re.escape(repr(name))}"):
        dataset(["cat", name])().setup("test")


@pytest.mark.parametrize("part", ["train", "val", "test"])
@pytest.mark.parametrize("label", [-1, 2, 10**12])
def test_a_label_that_names_no_class_is_an_error(part, label):
    items = {"train": [], "val": [], "test": []} | {part: [Item("a.png", label)]}
    with pytest.raises(DataError, match=rf"'a\.png' \({part}\) has label {label}; the labels run from 0 to 1"):
        Split(["cat", "dog"], **items)


def test_two_classes_of_one_name_are_an_error_that_names_both(dataset):
    with pytest.raises(DataError, match="labels 0 and 2 are both named 'cat'"):
        dataset(["cat", "dog", "cat"])().setup("fit")


# ---- numbers that are none -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("stage", ["fit", "test"])
def test_a_store_with_a_number_that_is_none_is_an_error(wrong, stage, dataset, tmp_path):
    data = dataset(["cat", "dog"])
    data().setup(stage)
    for path in (tmp_path / "cache" / "features").glob("*/embeddings.npy"):
        stored = np.load(path)
        stored[-1, 0, 3] = wrong
        np.save(path, stored)
    with pytest.raises(DataError, match=r"Row \d of the feature store of odd holds a NaN or an infinity"):
        data().setup(stage)


def test_a_store_of_another_shape_is_an_error(dataset, tmp_path):
    data = dataset(["cat", "dog"])
    data().setup("test")
    [path] = (tmp_path / "cache" / "features").glob("*/embeddings.npy")
    np.save(path, np.zeros((2, 1, 8), dtype=np.float32))
    with pytest.raises(DataError, match=r"of shape \(2, 1, 8\), and should hold float32 of shape \(4, 1, 32\)"):
        data().setup("test")


def test_a_tower_that_gives_no_numbers_is_named_with_its_image(dataset, monkeypatch, tmp_path):
    from aape_lightning.backbones.clip import ClipBackbone

    monkeypatch.setattr(ClipBackbone, "encode_image", lambda self, images: torch.full((len(images), 32), torch.nan))
    with pytest.raises(DataError, match=r"What .*tiny.pt' makes of '\d+\.png' holds a NaN"):
        dataset(["cat", "dog"])().setup("test")
    assert not list((tmp_path / "cache" / "features").glob("*/store.json"))


@pytest.mark.parametrize("row", [torch.tensor([torch.inf] + [0.5] * 31), torch.full((32,), torch.nan), torch.zeros(32)])
def test_a_bank_with_a_row_that_is_no_embedding_is_an_error(row, dataset, tiny_backbone, tmp_path):
    bank = PromptBank.build(tiny_backbone, {"cat": ["a cat."], "dog": ["a dog."]}, torch.device("cpu"))
    bank.embeddings[1] = row
    bank.save(tmp_path / "bank.safetensors", tiny_backbone)
    data = dataset(["cat", "dog"])
    for stage, changes in (("fit", {}), ("test", {"class_text": "prompts"})):
        with pytest.raises(PromptError, match=r"bank\.safetensors' cannot .*row 1 of its embeddings holds a NaN"):
            data(prompts=str(tmp_path / "bank.safetensors"), **changes).setup(stage)


def test_a_text_tower_that_gives_no_numbers_is_named_with_its_text(dataset, monkeypatch, tmp_path):
    from aape_lightning.backbones.clip import ClipBackbone

    monkeypatch.setattr(ClipBackbone, "encode_text", lambda self, tokens: torch.zeros(len(tokens), 32))
    with pytest.raises(PromptError, match=r"What .*tiny.pt' makes of 'a photo of a cat\.' holds a NaN.*only zeros"):
        dataset(["cat", "dog"])().setup("fit")
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


@pytest.mark.parametrize("where", ["weights", "classes"])
def test_a_checkpoint_with_a_number_that_is_none_is_an_error(where, dataset, quiet_trainer, tmp_path):
    trainer = quiet_trainer(max_epochs=2, callbacks=[RunFiles(str(tmp_path / "run"))])
    trainer.fit(ClassificationTask(aggregator_epochs=1), datamodule=dataset(["cat", "dog"])())
    [path] = (tmp_path / "run").rglob("aape.ckpt")
    checkpoint = torch.load(path, weights_only=True)
    found = checkpoint["state_dict"] if where == "weights" else None
    if found is None:
        found = next(value for value in tensors(checkpoint) if "class_embeddings" in value)
    name = "class_embeddings" if where == "classes" else next(key for key in found if key.startswith("generator"))
    found[name].view(-1)[0] = torch.nan
    torch.save(checkpoint, path)
    with pytest.raises(CheckpointError, match="NaN or an infinity"):
        aape_lightning.load(path, device="cpu")


def tensors(content):
    """Every mapping in a checkpoint."""
    if isinstance(content, dict):
        yield content
        for value in content.values():
            yield from tensors(value)


def test_the_first_row_is_found_wherever_it_is():
    rows = torch.zeros(40_000, 2)
    assert first_not_finite(rows) is None
    rows[39_999, 1] = rows[20_000, 0] = torch.inf
    assert first_not_finite(rows) == 20_000
    assert first_not_finite(torch.tensor([[3e38, 3e38], [torch.inf, -torch.inf]])) == 1
    assert first_not_finite(torch.empty(0, 2)) is None


@pytest.mark.parametrize("form", ["bottleneck", "residual", "full", "none"])
def test_zero_vectors_have_scores_and_gradients_that_are_numbers(form):
    torch.manual_seed(0)
    x, w = torch.zeros(3, 32, requires_grad=True), torch.zeros(4, 32, requires_grad=True)
    generator, projection = Generator(32), build_projection(form, 32)
    scores = projection(x, w, generator(x))
    scores.sum().backward()
    assert scores.isfinite().all()
    for tensor in (x, w, *generator.parameters(), *projection.parameters()):
        assert tensor.grad is None or tensor.grad.isfinite().all()


@pytest.mark.parametrize("variant", ["attention", "mlp", "mean"])
def test_zero_prompts_have_a_summary_that_is_a_number(variant):
    torch.manual_seed(0)
    prompts, x = torch.zeros(2, 3, 32, requires_grad=True), torch.zeros(2, 32)
    summary = build_aggregator(variant, 32)(prompts, torch.ones(2, 3, dtype=torch.bool), x)
    summary.sum().backward()
    assert summary.isfinite().all()
    assert prompts.grad.isfinite().all()
