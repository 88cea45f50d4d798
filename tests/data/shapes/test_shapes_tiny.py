from pathlib import Path

import pytest
import torch
from aape_lightning.backbones import load_backbone
from aape_lightning.backbones.load import SHIPPED
from aape_lightning.data.shapes import RARE_WORDS, open_shapes_image, sentence_truth, shapes_sentences, shapes_split
from aape_lightning.data.shapes.sentences import KIND_SHARES

SPLIT = shapes_split()
RARE = torch.tensor([bool(RARE_WORDS & set(name.split())) for name in SPLIT.class_names])


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("shapes-tiny")


@pytest.fixture(scope="module")
def pictures(backbone):
    """Embeddings and labels of eight test images a class, through the backbone's own transform."""
    items = [item for item in SPLIT.test if int(Path(item.path).stem) < 8]
    images = torch.stack([backbone.transform(open_shapes_image(item.path)) for item in items])
    return backbone.encode_image(images), torch.tensor([item.label for item in items])


def accuracies(pictures, classes):
    embeddings, label = pictures
    correct = ((embeddings @ classes.T).argmax(dim=-1) == label).float()
    groups = {"all": label >= 0, "base": label < 40, "new": label >= 40, "rare": RARE[label], "common": ~RARE[label]}
    return {name: correct[members].mean().item() for name, members in groups.items()}


def by_sentences(backbone, kinds):
    """The mean over each class's sentences of these kinds."""
    means = []
    for name, texts in shapes_sentences().items():
        chosen = [text for text, kind in zip(texts, sentence_truth()[name], strict=True) if kind in kinds]
        means.append(backbone.encode_text(backbone.tokenize(chosen)).mean(dim=0))
    return torch.nn.functional.normalize(torch.stack(means), dim=-1)


def test_the_file_is_small_enough_to_ship():
    assert SHIPPED["shapes-tiny"].stat().st_size <= 16e6


def test_its_shape(backbone):
    assert (backbone.embed_dim, backbone.input_size, backbone.context_length) == (256, 64, 32)


def test_zero_shot_understands_names_and_leaves_room(backbone, pictures):
    names = backbone.encode_text(backbone.tokenize([f"a photo of a {name}." for name in SPLIT.class_names]))
    accuracy = accuracies(pictures, names)
    assert 0.4 < accuracy["all"] < 0.8
    assert 20 / 80 < accuracy["rare"] < accuracy["common"] - 0.05


def test_sentences_help_where_names_are_rare(backbone, pictures):
    names = backbone.encode_text(backbone.tokenize([f"a photo of a {name}." for name in SPLIT.class_names]))
    faithful = by_sentences(backbone, {"faithful"})
    assert accuracies(pictures, faithful)["rare"] > accuracies(pictures, names)["rare"] + 0.15


def test_noise_among_the_sentences_costs(backbone, pictures):
    faithful, every = (by_sentences(backbone, kinds) for kinds in ({"faithful"}, set(KIND_SHARES)))
    assert accuracies(pictures, every)["rare"] < accuracies(pictures, faithful)["rare"] - 0.03
