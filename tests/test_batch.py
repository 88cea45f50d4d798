import typing

import pytest
import torch
from aape_lightning.batch import ClassificationBatch, ImageBatch, PromptBatch, require
from aape_lightning.errors import BatchError


def test_a_batch_that_holds_the_keys_is_returned_itself():
    batch = {"index": torch.arange(2), "image_embedding": torch.zeros(2, 4), "more": 1}
    assert require(batch, "index", "image_embedding") is batch
    assert require(batch) is batch


def test_every_missing_key_is_named_and_so_is_what_there_is():
    with pytest.raises(BatchError, match=r"lacks image_embedding, prompts; it holds \['image', 'index'\]") as caught:
        require({"index": 1, "image": 2}, "index", "image_embedding", "prompts")
    assert "datamodule=ClassificationDataModule(" in str(caught.value)


@pytest.mark.parametrize("batch", [torch.zeros(2), [torch.zeros(2), torch.zeros(2)], None])
def test_a_plain_loaders_batch_is_an_error_that_names_its_type(batch):
    with pytest.raises(BatchError, match=f"lacks index, label; it holds {type(batch).__name__}"):
        require(batch, "index", "label")


def test_what_a_training_batch_alone_holds_is_optional():
    assert {"index", "label", "class_embeddings"} <= ClassificationBatch.__required_keys__
    assert {"prompts", "prompt_mask", "summary"} <= ClassificationBatch.__optional_keys__
    assert "image" in ImageBatch.__optional_keys__


def test_images_may_take_the_place_of_their_embeddings():
    assert {"image_embedding", "image"} <= ClassificationBatch.__optional_keys__


def test_a_classification_batch_is_a_prompt_batch_with_more():
    assert set(typing.get_type_hints(PromptBatch)) < set(typing.get_type_hints(ClassificationBatch))
