import open_clip
import pytest
import torch
from aape_lightning.baselines import ZeroShotTask
from aape_lightning.data import load_manifest
from aape_lightning.data.manifests.templates import chosen_templates
from aape_lightning.errors import PromptError
from torch.nn import functional as F

SETS = {"imagenet-80": open_clip.OPENAI_IMAGENET_TEMPLATES, "imagenet-7": open_clip.SIMPLE_IMAGENET_TEMPLATES}
KGCOOP = {
    "caltech101": "a photo of a {}.",
    "oxford_pets": "a photo of a {}, a type of pet.",
    "stanford_cars": "a photo of a {}.",
    "oxford_flowers": "a photo of a {}, a type of flower.",
    "food101": "a photo of a {}, a type of food.",
    "fgvc_aircraft": "a photo of an aircraft {}.",
    "sun397": "a photo of a {}.",
    "dtd": "a photo of a {}, a type of texture.",
    "eurosat": "a centered satellite photo of {}.",
    "ucf101": "a photo of a person doing {}.",
    "imagenet": "a photo of a {}.",
}


@pytest.mark.parametrize("name", SETS)
def test_the_sets_that_ship_are_openais(name):
    ours = chosen_templates(load_manifest("imagenet"), name)
    assert len(ours) == int(name.removeprefix("imagenet-"))
    for word in ("tench", "great white shark"):
        assert [template.replace("{}", word) for template in ours] == [template(word) for template in SETS[name]]


@pytest.mark.parametrize("dataset", KGCOOP)
def test_kgcoops_templates_are_the_published_ones(dataset):
    assert chosen_templates(load_manifest(dataset), "kgcoop") == [KGCOOP[dataset]]


def test_a_template_and_the_manifests_own(toy_root):
    toy = load_manifest(str(toy_root / "toy.yaml"))
    assert chosen_templates(toy, "art of the {}") == ["art of the {}"]
    assert chosen_templates(toy, "manifest") == ["a photo of a {}.", "a drawing of a {}."]


def test_a_manifests_set_comes_before_the_one_that_ships(toy_root):
    toy = load_manifest(str(toy_root / "toy.yaml"))
    assert len(chosen_templates(toy, "imagenet-7")) == 7
    own = toy.model_copy(update={"template_sets": {"imagenet-7": ["my {}."]}})
    assert chosen_templates(own, "imagenet-7") == ["my {}."]


@pytest.mark.parametrize(("class_text", "meant"), [("imagenet80", "imagenet-80"), ("kgcop", "kgcoop"), ("", None)])
def test_another_name_is_an_error_with_the_closest(class_text, meant):
    hint = rf" Did you mean '{meant}'\?" if meant else ""
    with pytest.raises(PromptError, match=rf"class_text is '{class_text}'; .*'kgcoop', .*'imagenet-80'\.{hint}$"):
        chosen_templates(load_manifest("food101"), class_text)


@pytest.mark.parametrize("name", SETS)
def test_zero_shot_by_a_set_is_the_plain_mean(name, toy_data, tiny_backbone, quiet_trainer):
    data = toy_data(class_text=name)
    [batch] = quiet_trainer().predict(ZeroShotTask(), datamodule=data)
    embedded = [
        torch.cat([tiny_backbone.encode_text(tiny_backbone.tokenize([template(word)], truncate=True))
                   for template in SETS[name]])
        for word in ("red car", "Blue Boat", "green tree", "yellow sun", "grey stone")
    ]  # fmt: skip
    classes = F.normalize(torch.stack([rows.mean(0) for rows in embedded]), dim=-1)
    torch.testing.assert_close(data.class_embeddings, classes)
    images = torch.cat([loaded.features[:, 0] for loaded in [data._parts["test"]]])
    logits = tiny_backbone.logit_scale * images @ classes.T
    torch.testing.assert_close(batch["probabilities"], logits.softmax(1), rtol=0, atol=1e-5)
