import inspect
import json

import pytest
import torch
from aape_lightning.data import ClassificationDataModule, draw, load_manifest, read_split
from aape_lightning.data.transforms import augmentation, seeded
from aape_lightning.errors import DataError, ManifestError, PromptError
from lightning.pytorch import LightningModule
from PIL import Image
from torch.nn import functional as F

CLASSES = ["red_car", "Blue Boat", "green tree", "yellow sun", "grey stone"]
OWN = [3, 4, 5, 6, 7]  # sentences of each


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
def seen(quiet_trainer):
    """The batches of a fit, a test and a prediction over a DataModule."""

    def run(data, **settings):
        recorder = Recorder()
        trainer = quiet_trainer(**{"max_epochs": 1} | settings)
        trainer.fit(recorder, datamodule=data)
        trainer.test(recorder, datamodule=data, verbose=False)
        trainer.predict(recorder, datamodule=data, return_predictions=False)
        return recorder.seen

    return run


@pytest.fixture
def split(toy_root):
    return read_split(load_manifest(str(toy_root / "toy.yaml")), toy_root)


@pytest.fixture
def opened(toy_root):
    def open_image(path):
        with Image.open(toy_root / "toy" / "images" / path) as image:
            return image.convert("RGB")

    return open_image


def ready(data, stage="fit"):
    data.setup(stage)
    return data


def sentences_of(data):
    return [data.bank.texts[a:b] for a, b in zip(data.bank.offsets, data.bank.offsets[1:], strict=False)]


# ---- images in batches ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", [True, False])
def test_images_take_the_place_of_their_embeddings(store, toy_data, seen, split, opened, tiny_backbone):
    batches = seen(toy_data(inputs="image", store=store, batch_size=5))
    plain = {"index", "label", "image", "class_embeddings"}
    keys = {"train": {*plain, "prompts", "prompt_mask"}, "val": plain, "test": plain, "predict": plain}
    drawn = draw(split, 4, 1)
    items = {"train": drawn.train, "val": drawn.val, "test": split.test, "predict": split.test}
    for part, found in batches.items():
        for batch in found:
            assert batch.keys() - {"epoch"} == keys[part]
            for index, label, image in zip(batch["index"].tolist(), batch["label"], batch["image"], strict=True):
                assert label == items[part][index].label
                assert torch.equal(image, tiny_backbone.transform(opened(items[part][index].path)))
        assert sorted(torch.cat([batch["index"] for batch in found]).tolist()) == list(range(len(items[part])))


def test_training_images_are_augmented_afresh_in_every_epoch(toy_data, seen, split, opened, tiny_backbone):
    batches, train = seen(toy_data(inputs="image", views=2), max_epochs=2), draw(split, 4, 1).train
    for batch in batches["train"]:
        for index, image in zip(batch["index"].tolist(), batch["image"], strict=True):
            path = train[index].path
            key = f"{path} {batch['epoch']} 1"
            assert torch.equal(image, seeded(augmentation(tiny_backbone), opened(path), key))
    (test,) = batches["test"]
    assert torch.equal(test["image"][0], tiny_backbone.transform(opened(split.test[0].path)))


def test_no_feature_store_is_built_for_images(toy_data, seen, tmp_path):
    seen(toy_data(inputs="image", cache_dir=str(tmp_path)))
    assert not (tmp_path / "features").exists()


def test_images_are_tested_in_batches_of_a_hundred_at_least(toy_data):
    assert toy_data(inputs="image", batch_size=4).eval_batch_size() == 100
    assert toy_data(inputs="image", batch_size=200).eval_batch_size() == 200
    assert toy_data(store=False, batch_size=4).eval_batch_size() == 4


def test_inputs_are_embeddings_or_images(toy_data):
    with pytest.raises(DataError, match="inputs is 'pixels'; it must be 'embedding' or 'image'"):
        inspect.unwrap(ClassificationDataModule.__init__)(toy_data(), inputs="pixels")  # past the annotations' check


# ---- features for methods that train on all of them at once --------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"store": False}, {"inputs": "image"}])
@pytest.mark.parametrize("stage", ["fit", "test"])
def test_features_are_those_of_the_drawn_images(changes, stage, toy_data, split, opened, tiny_backbone):
    data, drawn = ready(toy_data(shots=2, **changes), stage), draw(split, 2, 1)

    def encoded(items):
        return torch.stack(
            [tiny_backbone.encode_image(tiny_backbone.transform(opened(i.path))[None])[0] for i in items]
        )

    features, labels = data.training_features()
    torch.testing.assert_close(features, encoded(drawn.train)[:, None], atol=1e-5, rtol=0)
    assert labels.tolist() == [item.label for item in drawn.train]
    features, labels = data.validation_features()
    torch.testing.assert_close(features, encoded(drawn.val), atol=1e-5, rtol=0)
    assert labels.tolist() == [item.label for item in drawn.val]


def test_training_features_hold_every_view(toy_data, seen):
    data = toy_data(views=3, classes="new")
    batches = seen(data, max_epochs=2)["train"]
    features, labels = data.training_features()
    assert features.shape == (8, 3, 32)
    for batch in batches:
        assert torch.equal(labels[batch["index"]], batch["label"])
        for index, embedding in zip(batch["index"].tolist(), batch["image_embedding"], strict=True):
            assert any(torch.equal(view, embedding) for view in features[index])


def test_without_validation_images_there_are_no_validation_features(own_toy_root, tiny_clip):
    path = own_toy_root / "toy" / "split_toy.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"val": []}))
    data = ClassificationDataModule(
        str(own_toy_root / "toy.yaml"), str(own_toy_root), backbone=str(tiny_clip), num_workers=0
    )
    assert ready(data, "test").validation_features() is None


def test_class_names_are_embedded_by_any_templates(toy_data, tiny_backbone):
    data, templates = ready(toy_data(classes="new"), "test"), ["a {}.", "the {} here.", "{}"]
    expected = []
    for name in ("yellow sun", "grey stone"):
        tokens = tiny_backbone.tokenize([template.replace("{}", name) for template in templates])
        expected.append(F.normalize(tiny_backbone.encode_text(tokens).mean(0), dim=0))
    torch.testing.assert_close(data.embed_class_names(templates), torch.stack(expected))
    with pytest.raises(PromptError, match=r"'a photo' has no \{\}"):
        data.embed_class_names(["a photo"])


# ---- how many sentences, and whose ---------------------------------------------------------------------------------


@pytest.mark.parametrize("prompts", ["llm", "templates"])
def test_the_first_sentences_of_each_class_are_used(prompts, toy_data):
    everything = sentences_of(ready(toy_data(prompts=prompts)))
    for count in (1, 4, 100):
        few = sentences_of(ready(toy_data(prompts=prompts, prompts_per_class=count)))
        assert few == [texts[:count] for texts in everything]


def test_sentences_are_counted_after_curation(toy_data, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({name: [".", "One thing.", "one THING.", f"A {name}.", "More."] for name in CLASSES}))
    data = ready(toy_data(prompts=str(path), prompts_per_class=2))
    assert sentences_of(data) == [["One thing.", f"A {name}."] for name in CLASSES]


def test_noise_comes_behind_the_sentences_that_are_used(toy_data):
    clean, noisy = (ready(toy_data(prompts_per_class=3, noise=noise)) for noise in (0.0, 0.5))
    for own, texts in zip(sentences_of(clean), sentences_of(noisy), strict=True):
        assert texts[:3] == own
        assert len(texts) == 6
        assert not set(texts[3:]) & set(own)
        assert set(texts[3:]) <= set(clean.bank.texts)
    assert noisy.sentence_kinds() == [["own"] * 3 + ["injected"] * 3] * 5


def test_each_class_list_is_noisy_with_sentences_of_its_own(toy_data):
    both = {classes: ready(toy_data(noise=0.5, classes=classes)) for classes in ("base", "new")}
    clean = {classes: ready(toy_data(classes=classes)) for classes in ("base", "new")}
    for classes, data in both.items():
        assert set(data.bank.texts) == set(clean[classes].bank.texts)
        assert len(data.bank.texts) == 2 * len(clean[classes].bank.texts)


def test_the_seed_draws_the_noise_anew(toy_data):
    one, again, other = (sentences_of(ready(toy_data(noise=0.5, seed=seed))) for seed in (1, 1, 2))
    assert one == again != other


def test_without_noise_the_bank_is_the_one_of_before(toy_data):
    plain, zero = ready(toy_data()), ready(toy_data(noise=0.0, prompts_per_class=None))
    assert zero.bank.texts == plain.bank.texts
    assert torch.equal(zero.bank.embeddings, plain.bank.embeddings)
    assert torch.equal(zero.bank.offsets, plain.bank.offsets)


def test_a_noisy_file_is_noisy_where_it_names_the_classes_too(toy_data, tiny_backbone):
    data = ready(toy_data(class_text="prompts", noise=0.5), "test")
    trained_on = ready(toy_data(noise=0.5))
    expected = [
        F.normalize(tiny_backbone.encode_text(tiny_backbone.tokenize(texts)).mean(0), dim=0)
        for texts in sentences_of(trained_on)
    ]
    torch.testing.assert_close(data.class_embeddings, torch.stack(expected), atol=1e-5, rtol=0)


def test_a_template_that_names_the_classes_is_never_noisy(toy_data):
    clean, noisy = (ready(toy_data(noise=noise), "test") for noise in (0.0, 0.5))
    assert torch.equal(clean.class_embeddings, noisy.class_embeddings)


def test_training_batches_hold_the_injected_sentences(toy_data, seen):
    data = toy_data(noise=0.5)
    for batch in seen(data)["train"]:
        for label, mask in zip(batch["label"].tolist(), batch["prompt_mask"], strict=True):
            assert int(mask.sum()) == 2 * OWN[label]


@pytest.mark.parametrize("noise", [-0.5, 1.0])
def test_a_noise_out_of_range_is_refused(noise, toy_data):
    with pytest.raises(PromptError, match=rf"noise is {noise}"):
        toy_data(noise=noise).setup("fit")


def test_a_number_of_sentences_below_one_is_refused(toy_data):
    with pytest.raises(PromptError, match="prompts_per_class is 0"):
        toy_data(prompts_per_class=0).setup("fit")


# ---- the same choices on another dataset ---------------------------------------------------------------------------


@pytest.fixture
def second(toy_root):
    """The manifest of a dataset over the toy's images, which has other sentences first."""
    path = toy_root / "second.yaml"
    text = (toy_root / "toy.yaml").read_text().replace("name: toy\n", "name: second\n")
    path.write_text(text.replace("  llm:", "  other:"))
    return str(path)


def test_another_manifest_is_taken_with_all_else_as_it_is(second, toy_data):
    data = toy_data(classes="base", views=2, seed=3, noise=0.2, class_text="manifest", draw_file="draw.json")
    other = data.with_manifest(second)
    assert type(other) is ClassificationDataModule
    changed = {"manifest": second, "images": None, "prompts": None, "classes": "all", "draw_file": None}
    assert dict(other.hparams) == dict(data.hparams) | changed
    assert data.hparams["classes"] == "base"
    assert ready(other, "test").class_names == CLASSES


def test_templates_stay_templates_on_another_dataset(second, toy_data):
    assert toy_data(prompts="templates").with_manifest(second).hparams["prompts"] == "templates"


def test_another_domain_of_a_dataset_shares_its_sentences(tiny_clip):
    data = ClassificationDataModule("pacs/photo", backbone=str(tiny_clip), prompts="pacs_sentences.json")
    assert data.with_manifest("pacs/sketch:target").hparams["prompts"] == "pacs_sentences.json"
    assert data.with_manifest("shapes").hparams["prompts"] is None


def test_images_of_a_folder_give_way_to_a_manifest(toy_root, tiny_clip, second):
    data = ClassificationDataModule(
        images=str(toy_root / "toy" / "images"), root=str(toy_root), backbone=str(tiny_clip)
    )
    other = ready(data.with_manifest(second), "test")
    assert other.manifest.name == "second"
    assert len(other.test_items()) == 20


def test_an_unknown_manifest_is_an_error(toy_data):
    with pytest.raises(ManifestError, match="No manifest 'tyo'"):
        toy_data().with_manifest("tyo")


@pytest.mark.shared_data
def test_a_target_of_pacs_has_the_sources_classes_and_is_tested_whole(shared_data, tiny_clip, tmp_path):
    data = ClassificationDataModule("pacs/photo", str(shared_data), backbone=str(tiny_clip), cache_dir=str(tmp_path))
    target = data.with_manifest("pacs/sketch:target")
    target.hparams["store"] = False  # nothing is encoded
    assert ready(target, "test").class_names == list(data.manifest.class_names.values())
    files = (shared_data / "pacs" / "sketch").glob("*/*")
    assert {item.path for item in target.test_items()} == {f"{file.parent.name}/{file.name}" for file in files}


def test_the_styles_of_the_shapes_world_are_targets_of_one_another(tiny_clip):
    settings = {"backbone": str(tiny_clip), "store": False, "truncate": True}
    source = ready(ClassificationDataModule("shapes", **settings, classes="base"), "test")
    target = ready(source.with_manifest("shapes/neon:target"), "test")
    assert target.class_names[:40] == source.class_names
    for one, other in zip(source.test_items(), target.test_items(), strict=False):
        assert (other.path, other.label) == (one.path.replace("flat/", "neon/"), one.label)
    with pytest.raises(DataError, match=r"'train' of Shapes world, neon \(target\) is empty"):
        target.training_features()


# ---- precision of the tower ----------------------------------------------------------------------------------------


def test_the_towers_precision_reaches_its_store(toy_data, quiet_trainer, tmp_path):
    def features(precision):
        data = toy_data(tower_precision=precision, cache_dir=str(tmp_path / precision))
        data.trainer = quiet_trainer()
        data.setup("test")
        (store,) = (tmp_path / precision / "features").glob("*/store.json")
        return json.loads(store.read_text()).get("precision", "float32"), data._parts["test"].features

    exact, half = features("float32"), features("bfloat16")
    assert (exact[0], half[0]) == ("float32", "bfloat16")
    assert not torch.equal(exact[1], half[1])
    torch.testing.assert_close(exact[1], half[1], atol=0.05, rtol=0)


def test_a_precision_that_there_is_not_is_refused(toy_data):
    data = toy_data()
    data.hparams["tower_precision"] = "bf16"  # past the check of the annotations
    wanted = r"tower_precision is 'bf16'; it must be one of float32, bfloat16, float16 \(--data\.tower_precision\)"
    with pytest.raises(DataError, match=wanted):
        data.place(data.manifest, str(data.root))
