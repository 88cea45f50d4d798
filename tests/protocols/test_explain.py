import json

import pytest
import torch
from aape_lightning.data import ClassificationDataModule, RetrievalDataModule
from aape_lightning.data.images import image_opener
from aape_lightning.data.shapes import sentence_truth, shapes_sentences
from aape_lightning.modules import build_aggregator
from aape_lightning.protocols.explain import explain, explain_run
from aape_lightning.tasks import ClassificationTask


@pytest.fixture(scope="module")
def task(tiny_backbone):
    """A classifier away from its start, so that images and sentences are told apart."""
    torch.manual_seed(0)
    made = ClassificationTask(backbone_spec=dict(tiny_backbone.spec))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


@pytest.fixture
def tested(toy_data):
    """Makes the toy's data as a job leaves them: set up to train, then to test."""

    def make(**changes):
        data = toy_data(**changes)
        data.setup("fit")
        data.setup("test")
        return data

    return make


def embedded(data, name):
    """A class's sentences and their embeddings, one by one."""
    texts = data.bank.sentences(name)
    tokens = [data.backbone.tokenize([text], truncate=True) for text in texts]
    return texts, torch.cat([data.backbone.encode_text(one) for one in tokens])


def image_of(data, path):
    opened = image_opener(data.manifest, data.root)(path)
    return data.backbone.encode_image(data.backbone.transform(opened)[None])[0]


def shares(task, data, path, name):
    """The attention of one image over one class's sentences, by sentence."""
    texts, prompts = embedded(data, name)
    mask = torch.ones(1, len(texts), dtype=torch.bool)
    with torch.no_grad():
        found = task.aggregator.attention(prompts[None], mask, image_of(data, path)[None])[0]
    return dict(zip(texts, found.tolist(), strict=True))


def cosine(one, other):
    return (one @ other / (one.norm() * other.norm())).item()


# ---- images --------------------------------------------------------------------------------------------------------


def test_images_have_their_sentences_in_the_order_of_attention(task, tested):
    data = tested()
    names = {item.path: data.class_names[item.label] for item in data.test_items()}
    images = explain(task, data).images
    assert images
    for image in images:
        assert image.label == names[image.image]
        expected = shares(task, data, image.image, image.label)
        ranked = sorted(expected, key=expected.get, reverse=True)
        assert [sentence.text for sentence in image.attended] == ranked[:4]
        for sentence in image.attended:
            assert sentence.share == pytest.approx(expected[sentence.text], abs=1e-4)
            assert sentence.kind is None
        assert image.others == len(ranked) - len(image.attended)
        assert image.others_share == pytest.approx(sum(expected[text] for text in ranked[4:]), abs=1e-4)


def test_images_have_the_classes_of_the_highest_probability_and_the_true_one(task, tested):
    data = tested()
    for image in explain(task, data).images:
        with torch.no_grad():
            logits = task(image_of(data, image.image)[None], data.class_embeddings)[0]
        expected = dict(zip(data.class_names, logits.softmax(-1).tolist(), strict=True))
        top = sorted(expected, key=expected.get, reverse=True)[:3]
        assert [choice.name for choice in image.choices] == [*top, *({image.label} - set(top))]
        for choice in image.choices:
            assert choice.probability == pytest.approx(expected[choice.name], abs=1e-3)


def test_right_and_wrong_images_are_as_many_as_there_are_and_four_at_the_most(task, tested, monkeypatch):
    data = tested()
    monkeypatch.setattr(task, "forward", lambda x, classes: x @ classes.T)  # right here and there
    kinds = [image_of(data, next(item.path for item in data.test_items() if item.label == k)) for k in range(3)]
    data.class_embeddings[:3] = torch.stack(kinds)
    paths, labels = [item.path for item in data.test_items()], [item.label for item in data.test_items()]
    with torch.no_grad():
        found = [
            int(task(image_of(data, path)[None], data.class_embeddings)[0].argmax()) == label
            for path, label in zip(paths, labels, strict=True)
        ]
    images = explain(task, data).images
    verdicts = [image.is_right for image in images]
    assert verdicts == [True] * min(4, sum(found)) + [False] * min(4, len(found) - sum(found))
    assert 0 < sum(found) < len(found)
    assert [found[paths.index(image.image)] for image in images] == verdicts
    assert len({image.image for image in images}) == len(images)


def test_the_same_images_and_classes_are_chosen_every_time(task, tested):
    assert explain(task, tested()) == explain(task, tested())


def test_validation_images_are_explained_while_training(task, toy_data):
    data = toy_data()
    data.setup("fit")
    paths = {item.path for item in data.items("val")}
    assert explain(task, data) is None
    assert {image.image for image in explain(task, data, "val").images} <= paths


def test_long_sentences_are_cut_short(task, tested, tmp_path):
    words = " ".join(["very"] * 80)
    sentences = {name: [f"A {words} long one.", "A short one."] for name in tested().class_names}
    path = tmp_path / "long.json"
    path.write_text(json.dumps(sentences))
    texts = {
        sentence.text
        for image in explain(task, tested(prompts=str(path), truncate=True)).images
        for sentence in image.attended
    }
    assert len(texts) == 2
    assert max(map(len, texts)) <= 240
    assert any(text.endswith("very …") for text in texts)


# ---- classes -------------------------------------------------------------------------------------------------------


def test_classes_have_their_most_and_least_attended_sentences(task, tested):
    data = tested()
    by_class = explain(task, data).by_class
    assert [one.name for one in by_class] == data.class_names  # five: all of them
    for one in by_class:
        label = data.class_names.index(one.name)
        paths = [item.path for item in data.test_items() if item.label == label]
        single = [shares(task, data, path, one.name) for path in paths]
        mean = {text: sum(each[text] for each in single) / len(single) for text in single[0]}
        ranked = sorted(mean, key=mean.get, reverse=True)
        assert one.images == len(paths)
        assert one.sentences == len(ranked)
        most = min(3, (len(ranked) + 1) // 2)
        assert [sentence.text for sentence in one.most] == ranked[:most]
        assert [sentence.text for sentence in one.least] == ranked[most:][-3:][::-1]
        for sentence in (*one.most, *one.least):
            assert sentence.share == pytest.approx(mean[sentence.text], abs=1e-4)
        held = [sum(mean[text] for text in ranked[: k + 1]) for k in range(len(ranked))]
        assert one.half == 1 + next(k for k, reached in enumerate(held) if reached >= 0.5)


def test_classes_tell_how_far_aape_moved(task, tested):
    data = tested()
    for one in explain(task, data).by_class:
        prompts, label = embedded(data, one.name)[1], data.class_names.index(one.name)
        mean, mask = prompts.mean(0), torch.ones(1, len(prompts), dtype=torch.bool)
        sums, paths = dict.fromkeys(one.cosines.model_dump(), 0.0), []
        for path in (item.path for item in data.test_items() if item.label == label):
            image = image_of(data, path)
            with torch.no_grad():
                aape, summary = task.generator(image[None])[0], task.aggregator(prompts[None], mask, image[None])[0]
            paths.append(path)
            for name, pair in {
                "image_mean": (image, mean), "image_aape": (image, aape), "mean_aape": (mean, aape),
                "summary_aape": (summary, aape),
            }.items():  # fmt: skip
                sums[name] += cosine(*pair)
        expected = {name: total / len(paths) for name, total in sums.items()}
        assert one.cosines.model_dump() == pytest.approx(expected, abs=1e-3)


# ---- kinds ---------------------------------------------------------------------------------------------------------


def test_kinds_of_the_shapes_world_are_told(task, tiny_clip):
    data = ClassificationDataModule(
        "shapes", backbone=str(tiny_clip), prompts="sentences", shots=1, classes="base", num_workers=0, truncate=True
    )
    data.setup("fit")  # fewer images to render than to test
    found = explain(task, data, "val")
    assert len(found.by_class) == 6  # of 40, spread evenly
    for image in found.images:
        truth = dict(zip(shapes_sentences()[image.label], sentence_truth()[image.label], strict=True))
        assert [truth[sentence.text] for sentence in image.attended] == [sentence.kind for sentence in image.attended]


def test_injected_sentences_are_told(task, tested):
    data = tested(noise=0.5)
    own = {text for texts in embedded_texts(data) for text in texts}
    sentences = [sentence for image in explain(task, data).images for sentence in image.attended]
    assert {sentence.kind for sentence in sentences} == {"own", "injected"}
    assert {sentence.text for sentence in sentences} <= own


def embedded_texts(data):
    return [data.bank.sentences(name) for name in data.sentences().keys]


# ---- where there is nothing to explain -----------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["mlp", "mean", "random"])
def test_other_aggregators_attend_to_nothing(variant, tested, tiny_backbone):
    made = ClassificationTask(backbone_spec=dict(tiny_backbone.spec), aggregator=variant)
    assert type(made.aggregator) is type(build_aggregator(variant, 32))
    assert explain(made, tested()) is None
    assert explain_run(made, tested(), with_new=False) is None


def test_without_the_feature_store_nothing_is_explained(task, tested):
    assert explain(task, tested(store=False)) is None


def test_before_a_test_nothing_is_explained(task, toy_data):
    assert explain(task, toy_data()) is None


# ---- runs ----------------------------------------------------------------------------------------------------------


def test_a_run_explains_base_and_new_classes(task, tested, toy_root):
    found = explain_run(task, tested(classes="base"), with_new=True)
    assert [part.classes for part in found.parts] == ["base", "new"]
    assert [one.name for one in found.parts[1].by_class] == tested(classes="new").class_names
    assert (found.manifest, found.root) == (str(toy_root / "toy.yaml"), str(toy_root))


def test_new_classes_without_sentences_are_left_out(task, tested, tmp_path):
    path = tmp_path / "base.json"
    path.write_text(json.dumps({name: ["One.", "Another one."] for name in tested(classes="base").class_names}))
    found = explain_run(task, tested(classes="base", prompts=str(path)), with_new=True)
    assert [part.classes for part in found.parts] == ["base"]


def test_new_classes_are_left_out_where_they_were_not_tested(task, tested):
    assert [part.classes for part in explain_run(task, tested(classes="base"), with_new=False).parts] == ["base"]


def test_a_folder_of_images_is_found_again(task, toy_root, tiny_clip):
    folder = str(toy_root / "toy" / "images")
    data = ClassificationDataModule(
        None, images=folder, backbone=str(tiny_clip), prompts="templates", class_text="a photo of a {}.", num_workers=0
    )
    data.setup("test")
    found = explain_run(task, data, with_new=False)
    assert (found.manifest, found.root) == (folder, None)


def test_other_data_are_not_explained(task, toy_captions, toy_root, tiny_clip):
    data = RetrievalDataModule(str(toy_captions), root=str(toy_root), backbone=str(tiny_clip), num_workers=0)
    assert explain_run(task, data, with_new=False) is None
