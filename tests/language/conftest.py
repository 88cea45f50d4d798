import pytest
import torch
from aape_lightning.language import new_language_model, save_language_model, train_tokenizer
from small_texts import TEXTS


@pytest.fixture(scope="session")
def small_tokenizer():
    return train_tokenizer(TEXTS, 300, 24)


@pytest.fixture(scope="session")
def small_lm(small_tokenizer, tmp_path_factory):
    """The folder of a language model of random weights: width 16, context 24."""
    torch.manual_seed(0)
    model = new_language_model(small_tokenizer, width=16, layers=2, heads=2, context=24)
    folder = tmp_path_factory.mktemp("lm") / "small"
    save_language_model(model, small_tokenizer, folder)
    return folder
