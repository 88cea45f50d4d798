import pytest
import torch
from aape_lightning.errors import PromptError


def test_a_part_is_one_batch_without_sentences(toy_data):
    data = toy_data(classes="new")
    assert data.whole("test") is None
    data.setup("test")
    batch, items = data.whole("test"), data.items("test")
    assert set(batch) == {"index", "label", "class_embeddings", "image_embedding"}
    assert items == data.test_items()
    assert batch["label"].tolist() == [item.label for item in items]
    assert batch["index"].tolist() == list(range(len(items)))
    assert batch["class_embeddings"] is data.class_embeddings
    assert data.whole("val") is None


def test_without_the_store_no_part_is_whole(toy_data):
    data = toy_data(store=False)
    data.setup("test")
    assert data.whole("test") is None


def test_sentences_are_those_that_training_reads(toy_data):
    trained, tested = toy_data(noise=0.5), toy_data(noise=0.5)
    trained.setup("fit")
    tested.setup("test")
    assert tested.bank is None
    assert tested.sentences().texts == trained.sentences().texts == trained.bank.texts
    assert torch.equal(tested.sentences().embeddings, trained.bank.embeddings)
    assert tested.sentence_kinds() == trained.sentence_kinds() != []


def test_classes_without_sentences_are_an_error(toy_data, tmp_path):
    path = tmp_path / "one.json"
    path.write_text('{"red_car": ["It is red."]}')
    data = toy_data(prompts=str(path))
    data.setup("test")
    with pytest.raises(PromptError, match="Blue Boat"):
        data.sentences()
