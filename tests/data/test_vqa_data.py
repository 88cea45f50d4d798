import json
from collections import Counter

import pytest
import torch
import yaml
from aape_lightning.data import VQADataModule
from aape_lightning.data.vqa_examples import draw_examples
from aape_lightning.errors import DataError, ManifestError
from lightning.pytorch import LightningModule

PEOPLE = 10


def write_questions(root, parts=("train", "val", "test"), answered=("train", "val", "test")):
    """Two questions about each of the toy's images in VQA's official JSON; returns the manifest's path."""
    split = json.loads((root / "toy" / "split_toy.json").read_text())
    for part in parts:
        questions, annotations = [], []
        for path, label, name in split[part]:
            asked = [("what is this?", [name.lower()] * 7 + ["a thing"] * 3, "what is", "other")]
            asked += [("is it a red car?", ["no" if label else "yes"] * PEOPLE, "is it", "yes/no")]
            for question, answers, kind, answer_type in asked:
                ids = {"question_id": len(questions), "image_id": path}
                questions.append(ids | {"question": question})
                types = {"question_type": kind, "answer_type": answer_type}
                annotations.append(ids | types | {"answers": [{"answer": answer} for answer in answers]})
        (root / "toy" / f"{part}_questions.json").write_text(json.dumps({"questions": questions}))
        (root / "toy" / f"{part}_annotations.json").write_text(json.dumps({"annotations": annotations}))
    manifest = {
        "name": "toy_questions",
        "title": "Toy questions",
        "kind": "questions",
        "folder": ["toy"],
        "images": "images",
        "split": {
            "format": "vqa",
            "questions": {part: f"{part}_questions.json" for part in parts},
            "annotations": {part: f"{part}_annotations.json" for part in parts if part in answered},
            "images": dict.fromkeys(parts, "{}"),
        },
        "licence": "none",
        "source": "made by a test",
    }
    path = root / "toy_questions.yaml"
    path.write_text(yaml.safe_dump(manifest))
    return path


@pytest.fixture
def root(own_toy_root, toy_captions, toy_root):
    for name in ("toy_captions.yaml", "toy/captions.csv"):
        (own_toy_root / name).write_bytes((toy_root / name).read_bytes())
    write_questions(own_toy_root)
    return own_toy_root


@pytest.fixture
def asked(root, tiny_clip):
    """Makes a VQADataModule over the toy's questions; keywords change it."""

    def make(**changes):
        settings = {"root": str(root), "backbone": str(tiny_clip), "batch_size": 8, "num_workers": 0}
        return VQADataModule(str(root / "toy_questions.yaml"), **settings | changes)

    return make


class Recorder(LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = {"train": [], "val": [], "test": []}

    def training_step(self, batch, batch_idx):
        self.seen["train"].append({"epoch": self.current_epoch} | batch)
        return self.weight * 0

    def validation_step(self, batch, batch_idx):
        self.seen["val"].append(batch)

    def test_step(self, batch, batch_idx, dataloader_idx=0):
        self.seen["test"].append({"loader": dataloader_idx} | batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def seen(quiet_trainer):
    def run(data, fit=True, **settings):
        recorder, trainer = Recorder(), quiet_trainer(**{"max_epochs": 1} | settings)
        if fit:
            trainer.fit(recorder, datamodule=data)
        else:
            trainer.test(recorder, datamodule=data, verbose=False)
        return recorder.seen

    return run


def captions_of(root):
    lines = [line.split(",") for line in (root / "toy" / "captions.csv").read_text().splitlines()[1:]]
    return {path: [text for other, text, _ in lines if other == path] for path, _, _ in lines}


@pytest.mark.parametrize("store", [True, False])
def test_a_language_model_is_asked_and_told_the_most_common_answer(store, asked, seen, tiny_backbone):
    data = asked(store=store)
    batches = seen(data)["train"]
    images, tokens, where = [], [], []
    for batch in batches:
        assert set(batch) == {"epoch", "index", "image_embedding", "image_tokens", "prompt", "target"}
        for row, position in enumerate(batch["index"].tolist()):
            question = data.items("train")[position]
            assert batch["prompt"][row] == f"Q: {question.question} A:"
            assert batch["target"][row] == f" {Counter(question.answers).most_common(1)[0][0]}"
            images.append(batch["image_embedding"][row])
            tokens.append(batch["image_tokens"][row])
            where.append(question.path)
    assert len(where) == 56  # seven whole batches
    pixels = torch.stack([tiny_backbone.transform(opened(data, path)) for path in where[:6]])
    torch.testing.assert_close(torch.stack(images[:6]), tiny_backbone.encode_image(pixels), atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.stack(tokens[:6]), tiny_backbone.image_tokens(pixels), atol=1e-2, rtol=1e-2)


def opened(data, path):
    from aape_lightning.data.images import image_opener

    return image_opener(data.manifest, data.root)(path)


def test_each_image_is_stored_once_whatever_is_asked_about_it(asked, quiet_trainer):
    data = asked()
    data.trainer = quiet_trainer()
    data.setup("fit")
    train = data._parts["train"]
    assert len(train.items) == 60
    assert len(train.paths) == len(set(train.paths)) == train.features.shape[0] == 30
    assert [train.path(position) for position in range(60)] == [question.path for question in train.items]


def test_prompts_are_the_captions_of_the_questions_image(asked, seen, root, tiny_backbone):
    captions = captions_of(root)
    data = asked(captions=str(root / "toy_captions.yaml"))
    for batch in seen(data)["train"]:
        for row, position in enumerate(batch["index"].tolist()):
            own = tiny_backbone.encode_text(tiny_backbone.tokenize(captions[data.items("train")[position].path]))
            torch.testing.assert_close(batch["prompts"][row][batch["prompt_mask"][row]], own, atol=1e-5, rtol=0)


def test_images_without_captions_are_counted_and_named(asked, root, quiet_trainer):
    table = root / "toy" / "captions.csv"
    kept = [
        line for line in table.read_text().splitlines() if "red_car/0000" not in line and "red_car/0001" not in line
    ]
    table.write_text("\n".join(kept))
    data = asked(captions=str(root / "toy_captions.yaml"))
    told = (
        r"2 of 30 images of the training questions have no captions in Toy captions .*'red_car/0000.png', 'red_car/0001"
    )
    with pytest.raises(DataError, match=told):
        data.setup("fit")


def test_the_maps_may_learn_from_captions_and_every_caption_has_its_turn(asked, seen, root):
    captions = captions_of(root)
    data = asked(captions=str(root / "toy_captions.yaml"), learn_from="captions", prompt="A picture of")
    batches = seen(data, max_epochs=8)
    said = {}
    for batch in batches["train"]:
        assert set(batch["prompt"]) == {"A picture of"}
        for position, target in zip(batch["index"].tolist(), batch["target"], strict=True):
            said.setdefault(data._parts["train"].items[position].path, set()).add(target)
    assert len(said) == 30
    for path, texts in said.items():
        assert texts <= {f" {caption}" for caption in captions[path]}
    assert sum(map(len, said.values())) > 45  # two or three an image
    first = [f" {captions[image.path][0]}" for image in data._parts["val"].items]
    assert [target for batch in batches["val"] for target in batch["target"]] == first * 8


def test_without_a_prompt_a_caption_begins_the_text(asked, seen, root):
    data = asked(captions=str(root / "toy_captions.yaml"), learn_from="captions", prompt="")
    assert not any(target.startswith(" ") for batch in seen(data)["train"] for target in batch["target"])


def test_images_that_test_questions_are_about_are_not_learned_from(asked, root, quiet_trainer):
    questions = root / "toy" / "test_questions.json"
    questions.write_text(questions.read_text().replace("red_car/0009.png", "red_car/0000.png"))
    data = asked(captions=str(root / "toy_captions.yaml"), learn_from="captions")
    data.setup("fit")
    assert len(data._parts["train"].items) == 29
    assert "red_car/0000.png" not in data._parts["train"].paths


def test_conditions_are_tested_one_by_one_with_clean_examples(asked, seen):
    data = asked(examples=[0, 1, 2], degradations=["none", "blur"], separator=" ;")
    batches = seen(data, fit=False)["test"]
    assert [(data.conditions[k].shots, data.conditions[k].degradation) for k in range(6)] == [
        (shots, kind) for shots in (0, 1, 2) for kind in ("none", "blur")
    ]
    by_loader = {k: [batch for batch in batches if batch["loader"] == k] for k in range(6)}
    pool, clean = data.pool, {}
    for k in (2, 3, 4, 5):
        shots = data.conditions[k].shots
        for batch in by_loader[k]:
            for row, position in enumerate(batch["index"].tolist()):
                drawn = data.drawn_examples[position, :shots].tolist()
                texts = [
                    f"Q: {pool.items[place].question} A: {Counter(pool.items[place].answers).most_common(1)[0][0]} ;"
                    for place in drawn
                ]
                assert batch["shown_text"][row] == texts
                own = torch.stack([pool.features[pool.rows[place], 0] for place in drawn])
                torch.testing.assert_close(batch["shown_embedding"][row], own)
                clean.setdefault((k, position), batch["shown_tokens"][row])
    for position in range(40):
        torch.testing.assert_close(clean[2, position], clean[3, position])  # the examples of blurred questions
        torch.testing.assert_close(clean[2, position][0], clean[4, position][0])
    assert "shown_text" not in by_loader[0][0]
    blurred = torch.cat([batch["image_embedding"] for batch in by_loader[1]])
    assert not torch.allclose(blurred, torch.cat([batch["image_embedding"] for batch in by_loader[0]]), atol=1e-3)


def test_without_the_store_examples_are_the_same(asked, seen):
    stored, opened = (seen(asked(store=store, examples=[2]), fit=False)["test"] for store in (True, False))
    for one, other in zip(stored, opened, strict=True):
        assert one["shown_text"] == other["shown_text"]
        torch.testing.assert_close(one["shown_embedding"], other["shown_embedding"], atol=1e-3, rtol=0)
        torch.testing.assert_close(one["shown_tokens"], other["shown_tokens"], atol=1e-2, rtol=1e-2)


def test_draws_are_nested_never_of_the_own_image_and_repeat_with_the_seed(asked):
    data = asked()
    pool, questions = data.questions("train"), data.questions("train")[:25] + data.questions("test")
    four = draw_examples(pool, questions, 4, seed=3)
    assert torch.equal(four[:, :2], draw_examples(pool, questions, 2, seed=3))
    assert torch.equal(four, draw_examples(pool, questions, 4, seed=3))
    assert not torch.equal(four, draw_examples(pool, questions, 4, seed=4))
    for question, drawn in zip(questions, four.tolist(), strict=True):
        assert len(set(drawn)) == 4
        assert all(pool[place].path != question.path for place in drawn)
    assert torch.equal(draw_examples(pool, questions[::-1], 4, seed=3), four.flip(0))
    counts = torch.bincount(
        torch.cat([draw_examples(pool, questions, 4, s).flatten() for s in range(30)]), minlength=60
    )
    assert counts.min() > 70  # of 130 each
    assert counts.max() < 200


def test_too_few_examples_are_told(asked):
    pool = asked().questions("train")[:4]
    with pytest.raises(DataError, match=r"3 answered examples are asked for \(--data\.examples\), and 2 training"):
        draw_examples(pool, pool[:1], 3, seed=1)


@pytest.mark.parametrize("store", [True, False])
def test_a_classifier_gets_questions_and_shares_of_the_vocabulary(store, asked, seen, tiny_backbone):
    data = asked(head="discriminative", store=store, answers=4)
    batches = seen(data)
    # thing is said 90 times, no 240, yes 60, each class name 42; equally frequent ones in the order of the questions
    assert data.answers == ["no", "a thing", "yes", "red_car"]
    for batch in batches["train"]:
        assert set(batch) == {"epoch", "index", "image_embedding", "question_embedding", "answer_share"}
        for row, position in enumerate(batch["index"].tolist()):
            question = data.items("train")[position]
            shares = torch.tensor([question.answers.count(answer) / PEOPLE for answer in data.answers])
            torch.testing.assert_close(batch["answer_share"][row], shares)
            own = tiny_backbone.encode_text(tiny_backbone.tokenize([question.question]))[0]
            torch.testing.assert_close(batch["question_embedding"][row], own, atol=1e-5, rtol=0)
    assert set(batches["val"][0]) == {"index", "image_embedding", "question_embedding"}


def test_answers_that_are_normalised_alike_are_one_and_written_as_most_often(asked, root, quiet_trainer):
    notes = root / "toy" / "train_annotations.json"
    text = notes.read_text().replace('"red_car"', '"Red Car."', 21).replace('"a thing"', '"thing"', 1)
    notes.write_text(text)
    data = asked(head="discriminative")
    data.setup("fit")
    assert "a thing" in data.answers
    assert "thing" not in data.answers
    assert ("red_car" in data.answers) != ("Red Car." in data.answers)
    loaded = data._parts["train"]
    assert loaded.shares.gather(torch.arange(60)).sum(1).tolist() == pytest.approx([1.0] * 60)


def test_questions_outside_the_vocabulary_are_counted(asked):
    data = asked(head="discriminative", answers=1)
    data.setup("fit")
    assert data.unanswerable() == (60, 36)  # all but the 24 to say no to


@pytest.mark.parametrize(
    ("written", "truncated", "whole"),
    [
        ("no", "no", "no"),
        ("no, it is not", "no,", "no, it is not"),
        ("no\nQ: what is this?", "no", "no"),
        ("", "", ""),
        ("\n no ", "no", "no"),
    ],
)
def test_what_is_written_is_cut_to_an_answer(written, truncated, whole, asked):
    for truncate, expected in ((True, truncated), (False, whole)):
        data = asked(truncate=truncate)
        data.setup("test")
        assert data.cut_answers(torch.tensor([3]), [written]) == [expected]


def test_the_longest_true_answer_says_how_many_words_are_kept(asked):
    data = asked()
    data.setup("test")
    assert data.cut_answers(torch.tensor([0]), ["red car beside a house"]) == ["red car"]  # people say "a thing" too


def test_questions_without_public_answers_are_answered_and_not_scored(asked, root):
    write_questions(root, answered=("train", "val"))
    data = asked()
    with pytest.raises(DataError, match=r"40 of 40 questions in the part 'test' .* no public answers.*aape predict"):
        data.setup("test")
    data.setup("predict")
    assert data.cut_answers(torch.tensor([0]), ["one two three"]) == ["one two three"]


def test_a_part_without_questions_is_told(asked, root):
    write_questions(root, parts=("train", "test"))
    data = asked()
    with pytest.raises(
        DataError, match=r"has no questions in its part 'val'; its parts are train \(60\), val \(0\), test"
    ):
        data.setup("validate")
    data.setup("fit")
    assert data.val_dataloader() == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"answers": 0}, "answers is 0; the vocabulary holds 1 answer or more"),
        ({"learn_from": "captions"}, r"no captions are named: --data\.captions MANIFEST"),
        ({"head": "discriminative", "examples": [1]}, r"head is 'discriminative' \(--data\.head generative\)"),
        ({"head": "discriminative", "learn_from": "captions", "captions": "coco"}, "learns from questions"),
        ({"examples": [-1]}, "examples holds -1"),
        ({"degradations": ["fog"]}, "No degradation 'fog'"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_impossible_choices_are_told(changes, told, asked):
    with pytest.raises(DataError, match=told):
        asked(**changes)


def test_manifests_of_other_kinds_are_refused(asked, root):
    with pytest.raises(ManifestError, match="is of questions, and what you asked for needs captions"):
        asked(captions=str(root / "toy_questions.yaml"))
    with pytest.raises(ManifestError, match="is of captions, and what you asked for needs questions"):
        VQADataModule(str(root / "toy_captions.yaml"), root=str(root))


def test_questions_and_captions_are_both_in_the_hash(asked, root):
    captions = str(root / "toy_captions.yaml")
    plain, captioned = asked().contents(), asked(captions=captions).contents()
    assert plain != captioned
    table = root / "toy" / "captions.csv"
    table.write_text(table.read_text().replace("a red_car train 0", "a red car to train on"))
    assert asked().contents() == plain
    assert asked(captions=captions).contents() != captioned
    notes = root / "toy" / "test_annotations.json"
    notes.write_text(notes.read_text().replace('"yes"', '"yes!"', 1))
    assert asked().contents() != plain
