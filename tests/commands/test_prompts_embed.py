import json

import pytest
import torch
import yaml
from aape_lightning.__main__ import main
from aape_lightning.data import ClassificationDataModule
from aape_lightning.prompts import PromptBank

NAMES = ["red_car", "Blue Boat", "green tree", "yellow sun", "grey stone"]


@pytest.fixture
def embed(toy_root, tiny_clip, capsys, tmp_path, monkeypatch):
    """Runs `aape prompts embed` on the toy dataset, with a cache of its own; returns code, output and error."""
    monkeypatch.setenv("AAPE_CACHE", str(tmp_path / "cache"))

    def run(*arguments, manifest=toy_root / "toy.yaml", root=toy_root):
        command = ["prompts", "embed", "--manifest", manifest, "--root", root, "--backbone", tiny_clip, *arguments]
        code = main([str(argument) for argument in command])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def embedded(monkeypatch):
    """The number of texts in each call of any CLIP's text tower."""
    from aape_lightning.backbones import ClipBackbone

    counts, encode = [], ClipBackbone.encode_text

    def counting(self, tokens):
        counts.append(len(tokens))
        return encode(self, tokens)

    monkeypatch.setattr(ClipBackbone, "encode_text", counting)
    return counts


def test_it_says_what_was_kept_and_where_the_bank_is(embed, tiny_clip, tmp_path):
    code, out, err = embed("--out", tmp_path / "toy.safetensors")
    assert (code, err) == (0, "")
    assert out.startswith("25 sentences for 5 classes; dropped 0 near-empty and 0 duplicate ones, dropped 0 beyond")
    assert out.splitlines()[-1].endswith(f": {tmp_path / 'toy.safetensors'}")


def test_the_bank_holds_every_classs_sentences_in_label_order(embed, tiny_backbone, toy_root, tmp_path):
    embed("--out", tmp_path / "toy.safetensors")
    bank = PromptBank.open(tmp_path / "toy.safetensors", tiny_backbone, verify=True)
    sentences = json.loads((toy_root / "toy_prompts.json").read_text())
    spelled = {"red_car": "Red Car", "grey stone": "pebble (grey)"}
    assert bank.keys == NAMES
    for name in NAMES:
        assert bank.sentences(name) == sentences[spelled.get(name, name)]
    expected = [tiny_backbone.encode_text(tiny_backbone.tokenize([text])) for text in bank.texts]
    torch.testing.assert_close(bank.embeddings, torch.cat(expected))


def test_json_says_the_same(embed, tmp_path, tiny_backbone):
    code, out, _ = embed("--json", "--out", tmp_path / "toy.safetensors")
    assert code == 0
    assert json.loads(out) == {
        "bank": str(tmp_path / "toy.safetensors"), "backbone": tiny_backbone.name, "classes": 5, "sentences": 25,
        "near_empty": 0, "duplicates": 0, "too_long": 0,
    }  # fmt: skip


def test_a_second_time_nothing_is_embedded(embed, embedded, tmp_path):
    embed()
    assert sum(embedded) == 25
    embed("--out", tmp_path / "toy.safetensors")
    assert sum(embedded) == 25
    assert len(list((tmp_path / "cache" / "banks").glob("*.safetensors"))) == 1


def test_what_was_embedded_serves_training(embed, embedded, toy_root, tiny_clip, tmp_path):
    embed()
    settings = {"backbone": str(tiny_clip), "num_workers": 0, "shots": 1}
    data = ClassificationDataModule(str(toy_root / "toy.yaml"), str(toy_root), **settings)
    data.setup("fit")
    assert sum(embedded) == 25 + 5  # only the names in their template are new
    assert data.bank.keys == NAMES


def test_the_bank_serves_as_prompts(embed, toy_root, tiny_clip, tmp_path):
    embed("--out", tmp_path / "toy.safetensors")
    settings = {"backbone": str(tiny_clip), "num_workers": 0, "shots": 1, "classes": "new"}
    plain, banked = (
        ClassificationDataModule(str(toy_root / "toy.yaml"), str(toy_root), prompts=prompts, **settings)
        for prompts in (None, str(tmp_path / "toy.safetensors"))
    )
    for data in (plain, banked):
        data.setup("fit")
    assert banked.bank.texts == plain.bank.texts
    torch.testing.assert_close(banked.bank.embeddings, plain.bank.embeddings)


def test_templates_and_users_files_are_embedded_too(embed, tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps({name: [f"A {name}.", ".", f"a {name}."] for name in NAMES}))
    for prompts, counts in (("templates", (10, 0, 0)), (tmp_path / "mine.json", (5, 5, 5))):
        done = json.loads(embed("--prompts", prompts, "--json")[1])
        assert (done["sentences"], done["near_empty"], done["duplicates"]) == counts


def test_sentences_beyond_the_context_are_dropped_or_cut(embed, tmp_path):
    long = "A " + "very " * 40 + "long sentence."
    (tmp_path / "mine.json").write_text(json.dumps({name: [f"A {name}.", long] for name in NAMES}))
    for option, kept in (([], 5), (["--truncate"], 10)):
        done = json.loads(embed("--prompts", tmp_path / "mine.json", "--json", *option)[1])
        assert (done["sentences"], done["too_long"]) == (kept, 5)


def test_classes_without_sentences_are_an_error_unless_templates_stand_in(embed, tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps({name: [f"A {name}."] for name in NAMES[:4]}))
    code, out, err = embed("--prompts", tmp_path / "mine.json", "--out", tmp_path / "toy.safetensors")
    assert (code, out) == (1, "")
    assert "1 of 5 classes have no sentences: 'grey stone'" in err
    assert not (tmp_path / "toy.safetensors").exists()
    done = json.loads(embed("--prompts", tmp_path / "mine.json", "--templates-for-missing", "--json")[1])
    assert (done["classes"], done["sentences"]) == (5, 4 + 2)


def test_classes_of_one_name_are_one_key(embed, tiny_backbone, tmp_path):
    names = {"n1": "missile", "n2": "dog", "n3": "missile"}
    content = {"name": "birds", "split": {"format": "folders", "cut": {}}, "class_names": names}
    (tmp_path / "birds.yaml").write_text(yaml.safe_dump(content))
    out = tmp_path / "birds.safetensors"
    assert embed("--prompts", "templates", "--out", out, manifest=tmp_path / "birds.yaml", root=tmp_path)[0] == 0
    bank = PromptBank.open(out, tiny_backbone)
    assert (bank.keys, bank.texts) == (["missile", "dog"], ["a photo of a missile.", "a photo of a dog."])


@pytest.mark.shared_data
def test_a_manifest_that_lists_its_names_needs_no_images(embed, shared_data):
    done = json.loads(embed("--json", "--truncate", manifest="sun397", root=shared_data)[1])
    assert done["classes"] == 397
    assert done["sentences"] > 397 * 10
