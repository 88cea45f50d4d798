import json

import pytest
import torch
from aape_lightning.data import ClassificationDataModule, draw, load_manifest, read_split
from aape_lightning.data.subsets import relabel, subset_labels
from aape_lightning.data.transforms import augmentation, seeded
from aape_lightning.errors import BackboneMismatchError, DataError, ManifestError, PromptError
from aape_lightning.modules import build_aggregator
from aape_lightning.prompts import PromptBank
from aape_lightning.tasks import ClassificationTask
from lightning.pytorch import Callback, LightningModule
from PIL import Image
from torch.nn import functional as F

CPU = torch.device("cpu")
CLASSES = ["red_car", "Blue Boat", "green tree", "yellow sun", "grey stone"]
SUBSETS = {"all": CLASSES, "base": CLASSES[:3], "new": CLASSES[3:]}


class Recorder(LightningModule):
    """Keeps every batch that it is given, and trains a weight that nothing needs."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = {"train": [], "val": [], "test": [], "predict": []}

    def keep(self, part, batch):
        self.seen[part].append({"epoch": self.trainer.current_epoch} | batch)

    def training_step(self, batch, batch_idx):
        self.keep("train", batch)
        return self.weight * 0

    def validation_step(self, batch, batch_idx):
        self.keep("val", batch)

    def test_step(self, batch, batch_idx):
        self.keep("test", batch)

    def predict_step(self, batch, batch_idx):
        self.keep("predict", batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def fitted(quiet_trainer):
    """The batches of a fit over a DataModule."""

    def fit(data, **settings):
        recorder = Recorder()
        quiet_trainer(**{"max_epochs": 1} | settings).fit(recorder, datamodule=data)
        return recorder.seen

    return fit


@pytest.fixture
def tested(quiet_trainer):
    """The batches of a test over a DataModule."""

    def test(data):
        recorder = Recorder()
        quiet_trainer().test(recorder, datamodule=data, verbose=False)
        return recorder.seen["test"]

    return test


@pytest.fixture
def own_data(own_toy_root, tiny_clip):
    """Makes a ClassificationDataModule over a toy dataset that the test may damage."""

    def make(**changes):
        settings = {"root": str(own_toy_root), "backbone": str(tiny_clip), "prompts": "llm", "num_workers": 0}
        return ClassificationDataModule(str(own_toy_root / "toy.yaml"), **settings | changes)

    return make


def joined(batches, key):
    return torch.cat([batch[key] for batch in batches])


@pytest.fixture
def plain(toy_root, tiny_backbone):
    """What the toy dataset holds, read and embedded without stores, banks or batches."""

    class Plain:
        def __init__(self):
            self.split = read_split(load_manifest(str(toy_root / "toy.yaml")), toy_root)
            self.sentences = json.loads((toy_root / "toy_prompts.json").read_text())
            self.spelled = {"red_car": "Red Car", "grey stone": "pebble (grey)"}

        def items(self, part, classes="all", shots=4, seed=1):
            drawn = draw(self.split, shots, seed)
            chosen = {"train": drawn.train, "val": drawn.val, "test": self.split.test}[part]
            return relabel(chosen, subset_labels(5, classes))

        def image(self, path, transform=tiny_backbone.transform):
            with Image.open(toy_root / "toy" / "images" / path) as image:
                return tiny_backbone.encode_image(transform(image.convert("RGB"))[None])[0]

        def view(self, path, key):
            return self.image(path, lambda image: seeded(augmentation(tiny_backbone), image, f"{path} {key}"))

        def texts(self, *texts):
            return torch.cat([tiny_backbone.encode_text(tiny_backbone.tokenize([text])) for text in texts])

        def sentences_of(self, name):
            return self.texts(*self.sentences[self.spelled.get(name, name)])

    return Plain()


# ---- the contract of batches ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", [True, False])
@pytest.mark.parametrize("classes", ["all", "base", "new"])
def test_training_batches_pair_images_with_their_classes(classes, store, toy_data, fitted, plain):
    batches = fitted(toy_data(classes=classes, store=store))["train"]
    items, names = plain.items("train", classes), SUBSETS[classes]
    of_class = [plain.sentences_of(name) for name in names]
    widest = max(len(sentences) for sentences in of_class)
    for batch in batches:
        keys = {"index", "label", "image_embedding", "class_embeddings", "prompts", "prompt_mask"}
        assert batch.keys() - {"epoch"} == keys
        assert batch["prompts"].shape[1] == widest
        torch.testing.assert_close(batch["class_embeddings"], plain.texts(*(
            f"a photo of a {name.replace('_', ' ')}." for name in names
        )))  # fmt: skip
        for row, index in enumerate(batch["index"].tolist()):
            item, mask = items[index], batch["prompt_mask"][row]
            assert batch["label"][row] == item.label
            torch.testing.assert_close(batch["image_embedding"][row], plain.image(item.path), atol=1e-5, rtol=0)
            torch.testing.assert_close(batch["prompts"][row][mask], of_class[item.label])
            assert mask.tolist() == [k < len(of_class[item.label]) for k in range(widest)]
    assert sorted(joined(batches, "index").tolist()) == list(range(len(items)))


@pytest.mark.parametrize("classes", ["all", "base", "new"])
@pytest.mark.parametrize("store", [True, False])
def test_validation_batches_hold_no_sentences(store, classes, toy_data, fitted, plain):
    batches = fitted(toy_data(classes=classes, store=store))["val"]
    items = plain.items("val", classes)
    assert all(
        batch.keys() - {"epoch"} == {"index", "label", "image_embedding", "class_embeddings"} for batch in batches
    )
    assert joined(batches, "index").tolist() == list(range(len(items)))
    assert joined(batches, "label").tolist() == [item.label for item in items]
    expected = torch.stack([plain.image(item.path) for item in items])
    torch.testing.assert_close(joined(batches, "image_embedding"), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("classes", ["all", "base", "new"])
@pytest.mark.parametrize("store", [True, False])
def test_test_batches_hold_no_sentences(store, classes, toy_data, tested, plain):
    data = toy_data(classes=classes, store=store)
    batches, items = tested(data), plain.items("test", classes)
    assert all(
        batch.keys() - {"epoch"} == {"index", "label", "image_embedding", "class_embeddings"} for batch in batches
    )
    assert data.bank is None
    assert data.class_names == SUBSETS[classes]
    assert data.test_items() == items
    assert joined(batches, "index").tolist() == list(range(len(items)))
    assert joined(batches, "label").tolist() == [item.label for item in items]
    expected = torch.stack([plain.image(item.path) for item in items])
    torch.testing.assert_close(joined(batches, "image_embedding"), expected, atol=1e-5, rtol=0)


def test_testing_reads_no_sentence_file(own_data, tested, own_toy_root):
    (own_toy_root / "toy_prompts.json").unlink()
    data = own_data()
    assert len(joined(tested(data), "index")) == 20


def test_prediction_batches_are_the_test_batches(toy_data, tested, quiet_trainer):
    recorder = Recorder()
    quiet_trainer().predict(recorder, datamodule=toy_data(), return_predictions=False)
    expected = tested(toy_data())
    for key in ("index", "label", "image_embedding"):
        assert torch.equal(joined(recorder.seen["predict"], key), joined(expected, key))


def test_the_sanity_check_sees_validation_images(toy_data, fitted):
    seen = fitted(toy_data(), num_sanity_val_steps=1)
    first, second = seen["val"]
    assert torch.equal(first["image_embedding"], second["image_embedding"])
    assert "prompts" not in first


def test_embeddings_are_float32_and_unit_norm(toy_data, fitted):
    for batch in fitted(toy_data())["train"]:
        for key in ("image_embedding", "class_embeddings"):
            assert batch[key].dtype == torch.float32
            torch.testing.assert_close(batch[key].norm(dim=-1), torch.ones(len(batch[key])))
        norms = batch["prompts"][batch["prompt_mask"]].norm(dim=-1)
        torch.testing.assert_close(norms, torch.ones_like(norms))


def test_the_loader_carries_positions_alone_where_embeddings_are_stored(toy_data, quiet_trainer):
    data = toy_data()
    data.trainer = quiet_trainer()
    data.setup("fit")
    assert {tuple(batch) for batch in data.train_dataloader()} == {("index",)}


# ---- what a class is called ----------------------------------------------------------------------------------------


def test_a_template_names_the_classes(toy_data, tested, plain):
    (batch,) = tested(toy_data(class_text="art of the {}"))
    expected = plain.texts(*(f"art of the {name.replace('_', ' ')}" for name in CLASSES))
    torch.testing.assert_close(batch["class_embeddings"], expected)


def test_manifest_is_the_mean_over_its_templates(toy_data, tested, plain):
    (batch,) = tested(toy_data(class_text="manifest", classes="new"))
    for embedding, name in zip(batch["class_embeddings"], SUBSETS["new"], strict=True):
        embedded = plain.texts(f"a photo of a {name}.", f"a drawing of a {name}.")
        torch.testing.assert_close(embedding, F.normalize(embedded.mean(0), dim=0))


@pytest.mark.parametrize("classes", ["all", "new"])
def test_prompts_is_the_mean_of_the_sentences(classes, toy_data, tested, plain):
    data = toy_data(class_text="prompts", classes=classes)
    (batch,) = tested(data)
    assert "prompts" not in batch
    assert data.bank is None
    expected = torch.stack([F.normalize(plain.sentences_of(name).mean(0), dim=0) for name in SUBSETS[classes]])
    torch.testing.assert_close(batch["class_embeddings"], expected)


def test_another_class_text_is_an_error_that_lists_the_choices(toy_data):
    with pytest.raises(PromptError, match=r"class_text is 'photo'.*'manifest', 'prompts', 'imagenet-7', 'imagenet-80'"):
        toy_data(class_text="photo").setup("test")


# ---- where sentences come from -------------------------------------------------------------------------------------


def test_templates_serve_as_sentences(toy_data, fitted, plain):
    for batch in fitted(toy_data(prompts="templates"))["train"]:
        for row, label in enumerate(batch["label"].tolist()):
            name = CLASSES[label].replace("_", " ")
            expected = plain.texts(f"a photo of a {name}.", f"a drawing of a {name}.")
            torch.testing.assert_close(batch["prompts"][row], expected)
        assert batch["prompt_mask"].all()


def test_a_json_file_by_its_path(toy_data, fitted, plain, tmp_path):
    sentences = {
        name: [f"My own words on a {name}.", f"And more on {name}."][: 1 + k % 2] for k, name in enumerate(CLASSES)
    }
    (tmp_path / "mine.json").write_text(json.dumps(sentences))
    for batch in fitted(toy_data(prompts=str(tmp_path / "mine.json")))["train"]:
        for row, label in enumerate(batch["label"].tolist()):
            expected = plain.texts(*sentences[CLASSES[label]])
            torch.testing.assert_close(batch["prompts"][row][batch["prompt_mask"][row]], expected)


@pytest.fixture
def bank_file(tiny_backbone, tmp_path):
    """A prompt bank with the classes in another order, and one class more."""
    sentences = {name: [f"{name} {k}" for k in range(2 + len(name) % 3)] for name in [*reversed(CLASSES), "pink pig"]}
    PromptBank.build(tiny_backbone, sentences, CPU).save(tmp_path / "mine.safetensors", tiny_backbone)
    return tmp_path / "mine.safetensors", sentences


@pytest.mark.parametrize("classes", ["all", "new"])
def test_a_prompt_bank_by_its_path(classes, toy_data, fitted, plain, bank_file):
    path, sentences = bank_file
    for batch in fitted(toy_data(prompts=str(path), classes=classes))["train"]:
        for row, label in enumerate(batch["label"].tolist()):
            expected = plain.texts(*sentences[SUBSETS[classes][label]])
            torch.testing.assert_close(batch["prompts"][row][batch["prompt_mask"][row]], expected)


def test_a_prompt_bank_of_another_backbone_is_refused(toy_data, bank_file, other_clip):
    with pytest.raises(BackboneMismatchError, match="prompt bank"):
        toy_data(prompts=str(bank_file[0]), backbone=str(other_clip)).setup("fit")


def test_an_unknown_source_is_an_error_with_a_hint(toy_data):
    with pytest.raises(PromptError, match=r"No sentence source 'lllm'.*Did you mean 'llm'\?"):
        toy_data(prompts="lllm").setup("fit")


def test_sentences_beyond_the_context_are_dropped_unless_truncated(toy_data, fitted, plain, tmp_path):
    long = "A " + "very " * 40 + "long sentence."
    sentences = {name: [f"A {name}.", long] for name in CLASSES}
    (tmp_path / "long.json").write_text(json.dumps(sentences))
    for truncate, count in ((False, 1), (True, 2)):
        batch = fitted(toy_data(prompts=str(tmp_path / "long.json"), truncate=truncate))["train"][0]
        assert batch["prompt_mask"].sum(1).tolist() == [count] * len(batch["index"])


def test_where_none_is_named_the_manifests_first_source_serves(toy_data, fitted):
    named, unnamed = (fitted(toy_data(prompts=prompts))["train"] for prompts in ("llm", None))
    for one, other in zip(named, unnamed, strict=True):
        assert torch.equal(one["prompts"], other["prompts"])
    assert toy_data(prompts=None).contents() == toy_data(prompts="llm").contents()


def test_templates_stand_in_for_classes_without_sentences(toy_data, fitted, plain, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"red car": ["A car."], "Blue Boat": [], "green tree": ["A tree."]}))
    with pytest.raises(PromptError, match="'yellow sun', 'grey stone'"):
        fitted(toy_data(prompts=str(path)))
    own = {"red_car": ["A car."], "green tree": ["A tree."]}
    for batch in fitted(toy_data(prompts=str(path), templates_for_missing=True))["train"]:
        for row, label in enumerate(batch["label"].tolist()):
            name = CLASSES[label]
            texts = own.get(name, [f"a photo of a {name}.", f"a drawing of a {name}."])
            torch.testing.assert_close(batch["prompts"][row][batch["prompt_mask"][row]], plain.texts(*texts))


# ---- images without a manifest -------------------------------------------------------------------------------------


@pytest.fixture
def of_folder(toy_root, tiny_clip, tmp_path):
    """Makes a DataModule over the toy's folder of class folders, which the sentence file knows by their names."""

    def make(manifest="shapes", **changes):
        settings = {"backbone": str(tiny_clip), "prompts": "templates", "shots": 2, "batch_size": 4, "num_workers": 0}
        return ClassificationDataModule(manifest, **settings | {"images": str(toy_root / "toy" / "images")} | changes)

    return make


def test_a_folder_of_images_is_enough(of_folder, fitted, toy_root):
    data = of_folder(batch_size=5)
    batches = fitted(data)["train"]
    assert data.class_names == ["Blue_Boat", "green_tree", "grey_stone", "red_car", "yellow_sun"]
    assert len(joined(batches, "index")) == 10
    assert data.with_classes("new").hparams["images"] == str(toy_root / "toy" / "images")
    data = of_folder()
    data.setup("test")
    assert len(data.test_items()) == 5 * (13 - round(13 * 0.5) - round(13 * 0.2))


def test_the_folder_itself_may_stand_for_the_manifest(of_folder, toy_root):
    one, other = of_folder(), of_folder(str(toy_root / "toy" / "images"), images=None)
    for data in (one, other):
        data.setup("test")
    assert one.test_items() == other.test_items()
    assert one.contents() == other.contents()


def test_a_data_root_does_not_matter_where_images_are_named(of_folder, tmp_path):
    data = of_folder(root=str(tmp_path / "nowhere"))
    data.setup("test")
    assert data.test_items()


def test_without_a_root_it_is_the_manifests_own_and_else_the_current_folder(own_toy_root, tiny_clip, monkeypatch):
    settings = {"backbone": str(tiny_clip), "prompts": "templates", "num_workers": 0}
    path = own_toy_root / "toy.yaml"
    monkeypatch.chdir(own_toy_root)
    data = ClassificationDataModule("toy.yaml", **settings)
    data.setup("test")
    expected = data.test_items()
    monkeypatch.chdir("/")
    with pytest.raises(ManifestError, match=r"Toy is not under '\.'"):
        ClassificationDataModule(str(path), **settings).setup("test")
    path.write_text(path.read_text() + "root: .\n")
    data = ClassificationDataModule(str(path), **settings)
    data.setup("test")
    assert data.test_items() == expected


def test_images_without_sentences_are_an_error_that_says_what_to_name(of_folder):
    with pytest.raises(
        PromptError, match=r"images names no sentences.*--data\.prompts FILE.*--data\.prompts templates"
    ):
        of_folder(prompts=None).setup("fit")
    of_folder(prompts=None).setup("test")  # which needs none


# ---- views and draws -----------------------------------------------------------------------------------------------


def test_stored_views_are_the_augmented_ones_and_change_by_epoch(toy_data, fitted, plain):
    items = plain.items("train")
    views = [torch.stack([plain.view(item.path, f"{view} 1") for item in items]) for view in range(3)]
    chosen = torch.full((4, len(items)), -1)
    for batch in fitted(toy_data(views=3), max_epochs=4)["train"]:
        for index, embedding in zip(batch["index"].tolist(), batch["image_embedding"], strict=True):
            distance = torch.stack([(view[index] - embedding).norm() for view in views])
            assert distance.min() < 1e-4
            chosen[batch["epoch"], index] = distance.argmin()
    assert (chosen >= 0).all()
    assert all(len(set(column)) > 1 for column in (chosen[0].tolist(), chosen[:, 0].tolist()))
    assert len({tuple(row) for row in chosen.tolist()}) == 4


@pytest.mark.parametrize("store", [True, False])
def test_views_are_the_same_in_a_second_run_and_others_for_another_seed(store, toy_data, fitted):
    def run(seed):
        batches = fitted(toy_data(views=2, store=store, seed=seed, shots=6, batch_size=5), max_epochs=2)["train"]
        by_image = {}
        for batch in batches:
            for index, embedding in zip(batch["index"].tolist(), batch["image_embedding"], strict=True):
                by_image[batch["epoch"], index] = embedding
        return torch.stack([by_image[key] for key in sorted(by_image)])

    first = run(1)
    assert torch.equal(first, run(1))
    assert not torch.allclose(first, run(2))
    assert not torch.allclose(first[:30], first[30:]), "another epoch shows other views"


def test_without_the_store_every_epoch_draws_a_fresh_view(toy_data, fitted, plain):
    items = plain.items("train")
    for batch in fitted(toy_data(views=1, store=False), max_epochs=2)["train"]:
        for index, embedding in zip(batch["index"].tolist(), batch["image_embedding"], strict=True):
            expected = plain.view(items[index].path, f"{batch['epoch']} 1")
            torch.testing.assert_close(embedding, expected, atol=1e-5, rtol=0)


def test_evaluation_is_not_augmented(toy_data, fitted):
    plain, augmented = (fitted(toy_data(views=views))["val"][0] for views in (0, 3))
    assert torch.equal(plain["image_embedding"], augmented["image_embedding"])


@pytest.mark.parametrize("shots", [1, 4, 0])
def test_shots_are_drawn_before_the_cut_into_base_and_new(shots, toy_data, fitted, plain):
    for classes in ("base", "new"):
        labels = joined(fitted(toy_data(shots=shots, classes=classes, batch_size=1))["train"], "label")
        each = shots or 6
        assert labels.bincount().tolist() == [each] * len(SUBSETS[classes])
        both = plain.items("train", "all", shots)
        assert [item.path for item in plain.items("train", classes, shots)] == [
            item.path for item in both if CLASSES[item.label] in SUBSETS[classes]
        ]


def test_the_seed_changes_the_draw_and_the_order(toy_data, fitted):
    orders = [joined(fitted(toy_data(seed=seed))["train"], "index").tolist() for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


# ---- summaries, held-out images, other classes ---------------------------------------------------------------------


@pytest.mark.parametrize("views", [0, 3])
def test_summaries_are_the_aggregators_for_every_image_and_view(views, toy_data, quiet_trainer, monkeypatch):
    monkeypatch.setattr("aape_lightning.data.module._SUMMARY_CHUNK", 7)
    data, aggregator = toy_data(views=views), build_aggregator("attention", 32)
    for parameter in aggregator.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    data.trainer = quiet_trainer()
    data.setup("fit")
    data.summarize(aggregator)
    train = data._parts["train"]
    assert train.summaries.shape == (20, max(1, views), 32)
    assert not train.summaries.requires_grad
    for m, label in enumerate(train.keys.tolist()):
        prompts, mask = data.bank.gather(torch.tensor([label]))
        for v in range(train.summaries.shape[1]):
            expected = aggregator(prompts, mask, train.features[m, v][None])[0]
            torch.testing.assert_close(train.summaries[m, v], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("views", [0, 3])
def test_batches_carry_the_summary_of_the_view_that_they_show(views, toy_data, quiet_trainer):
    data, aggregator, recorder = toy_data(views=views), build_aggregator("attention", 32), Recorder()
    for parameter in aggregator.parameters():
        torch.nn.init.normal_(parameter, std=0.3)

    class FromTheSecondEpoch(Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                data.summarize(aggregator)

    quiet_trainer(callbacks=[FromTheSecondEpoch()]).fit(recorder, datamodule=data)
    assert [batch["epoch"] for batch in recorder.seen["train"] if "summary" not in batch] == [0] * 5
    for batch in recorder.seen["train"][5:]:
        expected = aggregator(*data.bank.gather(batch["label"]), batch["image_embedding"])
        torch.testing.assert_close(batch["summary"], expected, atol=1e-5, rtol=0)
    assert not any("summary" in batch for batch in recorder.seen["val"])


def test_a_second_fit_does_not_see_the_summaries_of_the_first(toy_data, fitted):
    data = toy_data()
    fitted(data)
    data.summarize(build_aggregator("mean", 32))
    assert not any("summary" in batch for batch in fitted(data)["train"])


def test_without_the_store_there_are_no_summaries(toy_data, quiet_trainer):
    data = toy_data(store=False)
    data.trainer = quiet_trainer()
    data.setup("fit")
    data.summarize(build_aggregator("mean", 32))
    assert data._parts["train"].summaries is None


def test_held_out_is_the_validation_part_with_sentences(toy_data, quiet_trainer, plain):
    data = toy_data(classes="new", views=2)
    data.trainer = quiet_trainer()
    assert data.held_out() is None
    data.setup("fit")
    batch, items = data.held_out(), plain.items("val", "new")
    assert batch["label"].tolist() == [item.label for item in items]
    expected = torch.stack([plain.image(item.path) for item in items])
    torch.testing.assert_close(batch["image_embedding"], expected, atol=1e-5, rtol=0)
    for row, item in enumerate(items):
        sentences = batch["prompts"][row][batch["prompt_mask"][row]]
        torch.testing.assert_close(sentences, plain.sentences_of(SUBSETS["new"][item.label]))


def test_held_out_is_none_without_store(toy_data, quiet_trainer):
    data = toy_data(store=False)
    data.trainer = quiet_trainer()
    data.setup("fit")
    assert data.held_out() is None


def test_fit_and_test_in_one_process_do_not_disturb_each_other(toy_data, fitted, tested):
    data = toy_data()
    first, tests = fitted(data)["train"], tested(data)
    second = fitted(data)["train"]
    assert all(torch.equal(one["prompts"], other["prompts"]) for one, other in zip(first, second, strict=True))
    assert all(torch.equal(one["index"], other["index"]) for one, other in zip(first, second, strict=True))
    assert joined(tests, "index").tolist() == list(range(20))
    assert not any(batch["class_embeddings"].is_inference() for batch in second)


def test_with_classes_changes_the_class_subset_and_nothing_else(toy_data):
    data = toy_data(classes="base", views=2, seed=3, class_text="manifest")
    other = data.with_classes("new")
    assert type(other) is ClassificationDataModule
    assert dict(other.hparams) == dict(data.hparams) | {"classes": "new"}
    assert data.hparams["classes"] == "base"


def test_kinds_of_sentences_are_known_to_the_shapes_world_alone(toy_data, quiet_trainer):
    data = toy_data()
    data.trainer = quiet_trainer()
    data.setup("fit")
    assert data.sentence_kinds() == []


# ---- what is refused -----------------------------------------------------------------------------------------------


def test_negative_views_are_refused(toy_data):
    with pytest.raises(DataError, match=r"views is -1; it must be 0 \(the centre crop\) or more"):
        toy_data(views=-1)


def test_negative_shots_are_refused(toy_data):
    with pytest.raises(DataError, match="shots is -2"):
        toy_data(shots=-2).setup("fit")


def test_a_dataset_without_validation_images_is_trained_without_validation(own_data, own_toy_root, quiet_trainer):
    path = own_toy_root / "toy" / "split_toy.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"val": []}))
    trainer, data = quiet_trainer(), own_data()
    trainer.fit(ClassificationTask(aggregator_epochs=1), datamodule=data)
    assert trainer.global_step > 0
    assert data.held_out() is None
    assert not any(name.startswith("val/") for name in trainer.callback_metrics)


def test_a_part_without_images_of_the_class_subset_is_an_error(own_data, own_toy_root):
    path = own_toy_root / "toy" / "split_toy.json"
    split = json.loads(path.read_text())
    split["test"] = [row for row in split["test"] if row[1] < 3]
    path.write_text(json.dumps(split))
    with pytest.raises(DataError, match="'test' of Toy is empty for the 'new' classes"):
        own_data(classes="new").setup("test")


def test_a_root_that_is_no_folder_is_an_error(toy_data, tmp_path):
    with pytest.raises(ManifestError, match=r"--data\.root"):
        toy_data(root=str(tmp_path / "nowhere")).setup("fit")
