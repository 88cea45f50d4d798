"""Without a Trainer the same comes out as with one."""

import json

import aape_lightning
import pytest
import torch
from aape_lightning.baselines import CLIPAdapterTask, CoOpTask, LinearProbeTask, TipAdapterTask, ZeroShotTask
from aape_lightning.errors import BackboneMismatchError, CheckpointError, DataError
from aape_lightning.search import QueryEncoder, SearchIndex, images_of
from aape_lightning.tasks import CaptioningTask, ClassificationTask, VQAClassifierTask, VQATask

CLASSIFIERS = {
    "CLIP-Adapter": lambda: CLIPAdapterTask(lr=0.1),
    "linear probe": LinearProbeTask,
    "Tip-Adapter": TipAdapterTask,
    "Tip-Adapter-F": lambda: TipAdapterTask(finetune=True, lr=0.1),
}


def files_of(data, root):
    return [str(root / "toy" / "images" / item.path) for item in data.test_items()]


@pytest.mark.parametrize("source", ["by_template", "by_sentences"])
@pytest.mark.parametrize("name", ["aape.ckpt", "last.ckpt", ""])
def test_classes_trained_on_get_the_probabilities_that_a_trainer_computes(
    source, name, request, toy, toy_root, predict
):
    folder = request.getfixturevalue(source)
    data = toy(classes="base", class_text="prompts" if source == "by_sentences" else "a photo of a {}.")
    expected = torch.cat(
        [batch["probabilities"] for batch in predict(ClassificationTask, folder / (name or "aape.ckpt"), data)]
    )
    result = aape_lightning.load(folder / name, device="cpu", batch_size=5).classify(files_of(data, toy_root))
    assert result.class_names == data.class_names
    torch.testing.assert_close(result.probabilities, expected, atol=1e-5, rtol=0)
    assert expected.std() > 0.01, "a check of something"


def test_new_classes_get_the_probabilities_that_a_trainer_computes(by_template, by_sentences, toy, toy_root, predict):
    data = toy(classes="new")
    expected = predict(ClassificationTask, by_template / "aape.ckpt", data)[0]["probabilities"]
    files = files_of(data, toy_root)
    result = aape_lightning.load(by_template, device="cpu").classify(files, data.class_names)
    torch.testing.assert_close(result.probabilities, expected, atol=1e-5, rtol=0)

    data = toy(classes="new", class_text="prompts")
    expected = predict(ClassificationTask, by_sentences / "aape.ckpt", data)[0]["probabilities"]
    sentences = json.loads((toy_root / "toy_prompts.json").read_text())
    sentences["grey stone"] = sentences.pop("pebble (grey)")
    result = aape_lightning.load(by_sentences, device="cpu").classify(files, data.class_names, sentences=sentences)
    torch.testing.assert_close(result.probabilities, expected, atol=1e-5, rtol=0)
    assert result.note is None


@pytest.mark.parametrize("make", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_methods_to_compare_with_classify_too(make, run, toy, toy_root, predict):
    task, data = make(), toy()
    folder = run(task, data, max_epochs=1)
    expected = predict(type(task), folder / "last.ckpt", data)[0]["probabilities"]
    model = aape_lightning.load(folder, device="cpu")
    files = files_of(data, toy_root)
    torch.testing.assert_close(model.classify(files).probabilities, expected, atol=1e-5, rtol=0)
    some = [data.class_names[k] for k in (3, 0)]
    part = expected[:, [3, 0]].log().softmax(dim=1)
    torch.testing.assert_close(model.classify(files, some).probabilities, part, atol=1e-5, rtol=0)


def test_a_method_that_is_bound_to_its_classes_takes_no_others(run, toy, test_images):
    model = aape_lightning.load(run(LinearProbeTask(), toy(), max_epochs=1), device="cpu")
    with pytest.raises(DataError, match="a weight for each class that it was trained on, and 'purple cow'"):
        model.classify(test_images, ["Blue Boat", "purple cow"])


def test_a_method_that_learns_prompts_is_told_apart(run, toy):
    folder = run(CoOpTask(), toy(), max_epochs=1)
    with pytest.raises(CheckpointError, match=r"CoOpTask .*learns prompts.*aape predict"):
        aape_lightning.load(folder, device="cpu")


def test_zero_shot_clip_needs_a_backbone_alone(toy, toy_root, quiet_trainer, tiny_clip):
    data = toy()
    expected = quiet_trainer().predict(ZeroShotTask(), datamodule=data)[0]["probabilities"]
    model = aape_lightning.load(backbone=str(tiny_clip), device="cpu")
    result = model.classify(files_of(data, toy_root), data.class_names)
    torch.testing.assert_close(result.probabilities, expected, atol=1e-5, rtol=0)
    assert result.note is None
    with pytest.raises(CheckpointError, match=r"No class names are given.*--classes"):
        model.classify(files_of(data, toy_root))
    with pytest.raises(CheckpointError, match=r"zero-shot CLIP.*no generator.*--kind image"):
        model.embed(files_of(data, toy_root))
    with pytest.raises(CheckpointError, match="Zero-shot CLIP needs a backbone"):
        aape_lightning.load()


def test_embeddings_are_those_of_tower_and_generator(by_template, tiny_backbone, test_images):
    from PIL import Image

    model = aape_lightning.load(by_template, device="cpu", batch_size=3)
    pixels = torch.stack([tiny_backbone.transform(Image.open(path)) for path in test_images])
    x = tiny_backbone.encode_image(pixels)
    weights = torch.load(by_template / "aape.ckpt", weights_only=True)["state_dict"]
    inner = torch.relu(x @ weights["generator.inner.weight"].T + weights["generator.inner.bias"])
    h = torch.nn.functional.normalize(
        inner @ weights["generator.outer.weight"].T + weights["generator.outer.bias"], dim=1
    )
    torch.testing.assert_close(model.embed(test_images), h, atol=1e-5, rtol=0)
    torch.testing.assert_close(model.embed(test_images, "image"), x, atol=1e-5, rtol=0)
    with pytest.raises(CheckpointError, match="ClassificationTask, which can classify and embed, and not retrieve"):
        model.embed(test_images, "query")
    texts = ["a red car", "a boat"]
    torch.testing.assert_close(model.embed_texts(texts), tiny_backbone.encode_text(tiny_backbone.tokenize(texts)))


def test_a_search_finds_what_an_index_finds(retriever, toy_captions, toy_root, test_images):
    model, encoder = aape_lightning.load(retriever, device="cpu"), QueryEncoder.load(retriever / "aape.ckpt")
    index = SearchIndex.of_images(encoder, images_of(str(toy_captions), toy_root))
    hits = index.search(encoder.text("a red car"), top=4)
    found = model.retrieve("a red car", test_images, top=4)
    assert [match.found for match in found] == [str(toy_root / "toy" / "images" / hit.image) for hit in hits]
    assert [match.score for match in found] == pytest.approx([hit.score for hit in hits], abs=1e-5)
    torch.testing.assert_close(model.embed(test_images, "query"), index.embeddings, atol=1e-5, rtol=0)
    assert model.retrieve(test_images[3], test_images, top=1)[0].found == test_images[3]
    assert len(model.retrieve(test_images[3], texts=["a red car", "a tree"])) == 2
    long = "a red car " * 50  # longer than a file's name may be
    assert model.retrieve(long, test_images, top=1).query == long


def test_a_search_is_of_one_kind(retriever, test_images):
    model = aape_lightning.load(retriever, device="cpu")
    for among in ({}, {"images": test_images, "texts": ["a"]}):
        with pytest.raises(DataError, match="among images or among texts"):
            model.retrieve("a car", **among)
    with pytest.raises(DataError, match="The text 'a car' finds images"):
        model.retrieve("a car", texts=["a"])
    with pytest.raises(DataError, match="it must be 1 or more"):
        model.retrieve("a car", test_images, top=0)


def test_captions_are_those_that_a_trainer_writes(captioner, described, test_images, predict):
    expected = [
        text for batch in predict(CaptioningTask, captioner / "aape.ckpt", described()) for text in batch["caption"]
    ]
    model = aape_lightning.load(captioner, device="cpu")
    captions = model.caption(test_images)
    assert [entry.caption for entry in captions] == expected
    assert [entry.image for entry in captions] == test_images
    assert len(set(expected)) > 1
    shorter = model.caption(test_images[:2], decoding={"max_new_tokens": 1})
    assert all(expected[k].startswith(shorter[k].caption) for k in range(2))
    assert model.embed(test_images).shape == (len(test_images), 32)


def test_answers_are_those_that_a_trainer_writes(answerer, asked, test_images, predict):
    expected = [text for batch in predict(VQATask, answerer / "aape.ckpt", asked()) for text in batch["answer"]]
    answers = aape_lightning.load(answerer, device="cpu").answer(test_images, ["what is there?", "is it red?"])
    assert [entry.answer for entry in answers] == expected
    assert [entry.question for entry in answers] == ["what is there?", "is it red?"] * len(test_images)
    assert [entry.image for entry in answers] == [path for path in test_images for _ in range(2)]


def test_a_classifier_chooses_the_answers_that_a_trainer_chooses(chooser, asked, test_images, predict):
    data = asked(head="discriminative")
    expected = [text for batch in predict(VQAClassifierTask, chooser / "aape.ckpt", data) for text in batch["answer"]]
    model = aape_lightning.load(chooser, device="cpu", batch_size=7)
    answers = model.answer(test_images, ["what is there?", "is it red?"])
    assert [entry.answer for entry in answers] == expected
    pairs = model.answer(test_images[:2], ["what is there?", "is it red?"], pairs=True)
    assert [entry.answer for entry in pairs] == [expected[0], expected[3]]
    with pytest.raises(DataError, match="3 questions for 2 images"):
        model.answer(test_images[:2], ["a", "b", "c"], pairs=True)
    with pytest.raises(DataError, match="none of them is empty"):
        model.answer(test_images, " ")
    with pytest.raises(DataError, match="chooses among known answers"):
        model.answer(test_images, "a?", decoding={"method": "beam"})


def test_what_a_run_cannot_do_names_the_run_that_can(by_template, retriever, test_images):
    model = aape_lightning.load(by_template, device="cpu")
    with pytest.raises(CheckpointError, match=r"not caption\. Take .* CaptioningTask: aape fit --config"):
        model.caption(test_images)
    with pytest.raises(CheckpointError, match=r"not answer\. Take .* VQATask"):
        model.answer(test_images, "what?")
    with pytest.raises(CheckpointError, match=r"not classify\. Take .* ClassificationTask"):
        aape_lightning.load(retriever, device="cpu").classify(test_images)


def test_the_backbone_may_have_moved_and_must_be_the_same(by_template, changed, tiny_clip, other_clip, test_images):
    def move(checkpoint):
        checkpoint["hyper_parameters"]["backbone_spec"]["name"] = "gone.pt"

    moved = changed(by_template / "aape.ckpt", move)
    model = aape_lightning.load(moved, backbone=str(tiny_clip), device="cpu")
    expected = aape_lightning.load(by_template, device="cpu").classify(test_images[:3])
    assert torch.equal(model.classify(test_images[:3]).probabilities, expected.probabilities)
    with pytest.raises(BackboneMismatchError, match="--backbone"):
        aape_lightning.load(moved, backbone=str(other_clip), device="cpu")


def test_a_device_or_batch_size_that_cannot_be_is_refused(by_template):
    with pytest.raises(DataError, match=r"No device 'tpu9'"):
        aape_lightning.load(by_template, device="tpu9")
    with pytest.raises(DataError, match="batch_size is 0"):
        aape_lightning.load(by_template, device="cpu", batch_size=0)


def test_it_says_what_it_is(by_template, retriever):
    text = repr(aape_lightning.load(by_template, device="cpu"))
    assert "ClassificationTask" in text
    assert "3 classes" in text
    assert aape_lightning.load(retriever, device="cpu").abilities == ["retrieve", "embed"]
