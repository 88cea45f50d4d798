"""The towers of every family, traced and written: the same embeddings for batches that no trace has seen."""

import numpy as np
import pytest
import torch
from aape_lightning.backbones import load_backbone
from aape_lightning.export.check import largest_difference, open_program
from aape_lightning.export.preprocessing import preprocessing
from aape_lightning.export.programs import build_program
from aape_lightning.export.write import write_program
from aape_lightning.inference import SavedTask
from aape_lightning.modules import Generator
from PIL import Image

SIZES = [{"batch": 1}, {"batch": 2}, {"batch": 9}]


def saved_generator(spec):
    torch.manual_seed(0)
    weights = {f"generator.{name}": tensor for name, tensor in Generator(spec["embed_dim"]).state_dict().items()}
    return SavedTask("GeneratorTask", {"backbone_spec": dict(spec)}, weights)


@pytest.mark.parametrize("what", ["image", "text"])
@pytest.mark.parametrize("family", ["clip", "transformers", "open_clip", "siglip"])
def test_a_tower_of_every_family_can_be_exported(family, what, names, tmp_path):
    backbone = load_backbone(names[family])
    program = build_program(what, saved_generator(backbone.spec), backbone)
    write_program(program, tmp_path / "tower.pt2", "torch")
    assert largest_difference(open_program(tmp_path / "tower.pt2", "torch"), program, SIZES) < 1e-5


@pytest.mark.parametrize("family", ["clip", "transformers", "open_clip"])
def test_the_preprocessing_is_told_in_words_that_make_it_again(family, names):
    backbone = load_backbone(names[family])
    told = preprocessing(backbone)
    assert (told["resize"], told["interpolation"], told["crop"]) == ("shortest side", "bicubic", "center")
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8))
    small = image.resize((48, 32), Image.Resampling.BICUBIC)
    left = round((small.width - 32) / 2)
    values = np.asarray(small.crop((left, 0, left + 32, 32)), dtype=np.float32) / 255
    made = ((values - told["mean"]) / told["std"]).transpose(2, 0, 1)
    difference = np.abs(made - np.asarray(backbone.transform(image)))
    assert np.mean(difference) < 2e-2
