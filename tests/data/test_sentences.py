import json
import re
from pathlib import Path

import pytest
import yaml
from aape_lightning.backbones import load_backbone
from aape_lightning.data import load_manifest, read_split
from aape_lightning.data.sentences import chosen_source, sentence_file, sentences_of
from aape_lightning.data.shapes import CLASS_NAMES, shapes_sentences
from aape_lightning.errors import PromptError
from aape_lightning.prompts import curate, match_names, read_sentences

NAMES = ["red_car", "Blue Boat", "green tree", "yellow sun", "grey stone"]


@pytest.fixture
def toy(toy_root):
    return load_manifest(str(toy_root / "toy.yaml"))


def test_a_source_of_the_manifest_is_read_under_the_datasets_names(toy, toy_root):
    found = sentences_of(toy, toy_root, NAMES, "llm")
    assert list(found) == NAMES
    assert found["red_car"][0] == "It looks like a red_car number 0."
    assert found["grey stone"][0] == "It looks like a grey stone number 0."
    assert [len(texts) for texts in found.values()] == [3, 4, 5, 6, 7]


def test_only_the_asked_classes_need_sentences(toy, toy_root):
    assert list(sentences_of(toy, toy_root, NAMES[3:], "llm")) == NAMES[3:]


def test_templates_are_a_source(toy, toy_root):
    found = sentences_of(toy, toy_root, ["red_car"], "templates")
    assert found == {"red_car": ["a photo of a red car.", "a drawing of a red car."]}


def test_a_users_file_may_spell_names_as_the_manifests_file_does(toy, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"pebble (grey)": ["A stone."], "RED CAR": ["A car."]}))
    found = sentences_of(toy, tmp_path / "nowhere", ["red_car", "grey stone"], str(path))
    assert found == {"red_car": ["A car."], "grey stone": ["A stone."]}


def test_a_users_file_is_not_sought_under_the_data_root(toy, toy_root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.json").write_text(json.dumps({"red car": ["A car."]}))
    assert sentences_of(toy, toy_root, ["red_car"], "mine.json") == {"red_car": ["A car."]}


def test_an_unknown_source_is_an_error_that_lists_the_known(toy, toy_root):
    with pytest.raises(PromptError, match=r"No sentence source 'template'.*'llm', 'templates'.*mean 'templates'\?"):
        sentences_of(toy, toy_root, NAMES, "template")


def test_a_missing_file_of_the_manifest_is_an_error_that_names_it(own_toy_root):
    toy = load_manifest(str(own_toy_root / "toy.yaml"))
    (own_toy_root / "toy_prompts.json").unlink()
    with pytest.raises(PromptError, match=re.escape(str(own_toy_root / "toy_prompts.json"))):
        sentences_of(toy, own_toy_root, NAMES, "llm")


def test_a_class_without_sentences_is_an_error_that_lists_it(toy, toy_root):
    with pytest.raises(PromptError, match="1 of 6 classes have no sentences: 'purple cow'"):
        sentences_of(toy, toy_root, [*NAMES, "purple cow"], "llm")


def test_without_its_alias_a_class_is_reported(own_toy_root):
    path = own_toy_root / "toy.yaml"
    manifest = yaml.safe_load(path.read_text())
    del manifest["prompts"]["llm"]["aliases"]
    path.write_text(yaml.safe_dump(manifest))
    with pytest.raises(PromptError, match="1 of 5 classes have no sentences: 'grey stone'"):
        sentences_of(load_manifest(str(path)), own_toy_root, NAMES, "llm")


# ---- which source --------------------------------------------------------------------------------------------------


@pytest.fixture
def two_sources(toy):
    """The toy's manifest with a second source after its own."""
    second = toy.prompts["llm"].model_copy(update={"file": "second.json", "aliases": {"stone": "grey stone"}})
    return toy.model_copy(update={"prompts": toy.prompts | {"human": second}})


def test_where_none_is_named_it_is_the_manifests_first(two_sources, toy_root):
    assert chosen_source(two_sources, toy_root, None) == "llm"
    assert sentence_file(two_sources, toy_root, None) == toy_root / "toy_prompts.json"
    assert sentences_of(two_sources, toy_root, NAMES, None) == sentences_of(two_sources, toy_root, NAMES, "llm")


def test_a_first_source_that_is_not_there_gives_way_to_one_that_is(two_sources, toy_root, tmp_path):
    """As `aape data check`, which is content when one of a manifest's sources is there."""
    turned = two_sources.model_copy(update={"prompts": dict(reversed(two_sources.prompts.items()))})
    assert chosen_source(turned, toy_root, None) == "llm"
    assert chosen_source(turned, tmp_path, None) == "human"  # none is there: the error will name the first one's file


def test_where_the_manifest_has_none_one_must_be_named(toy, toy_root):
    bare = toy.model_copy(update={"prompts": {}})
    with pytest.raises(PromptError, match=r"Toy names no sentences\..*--data\.prompts FILE.*--data\.prompts templates"):
        chosen_source(bare, toy_root, None)
    assert chosen_source(bare, toy_root, "templates") == "templates"
    assert sentence_file(bare, toy_root, "mine.json") == Path("mine.json")


@pytest.mark.parametrize("prompts", ["bank.safetensors", "mine.json", "templates", "llm", "human"])
def test_every_kind_of_source_is_taken_as_it_is(prompts, two_sources, toy_root):
    assert chosen_source(two_sources, toy_root, prompts) == prompts


def test_templates_and_the_shapes_world_have_no_file(toy, toy_root):
    assert sentence_file(toy, toy_root, "templates") is None
    assert sentence_file(load_manifest("shapes"), toy_root, None) is None


def test_a_users_file_may_spell_names_as_any_source_of_the_manifest(two_sources, toy_root, tmp_path):
    for key in ("stone", "pebble (grey)"):
        (tmp_path / "mine.json").write_text(json.dumps({key: ["A stone."]}))
        assert sentences_of(two_sources, toy_root, ["grey stone"], str(tmp_path / "mine.json")) == {
            "grey stone": ["A stone."]
        }


def test_a_source_names_its_dataset_in_a_file_of_several(toy, toy_root, tmp_path):
    several = {"toy": {name: [f"Toy {name}."] for name in NAMES}, "Other-1": {name: ["Other."] for name in NAMES}}
    (tmp_path / "all.json").write_text(json.dumps(several))
    for dataset, expected in ((None, "Toy red_car."), ("other1", "Other.")):
        source = toy.prompts["llm"].model_copy(update={"file": str(tmp_path / "all.json"), "dataset": dataset})
        manifest = toy.model_copy(update={"prompts": {"llm": source}})
        assert sentences_of(manifest, toy_root, ["red_car"], "llm") == {"red_car": [expected]}


# ---- templates for what is missing ---------------------------------------------------------------------------------


@pytest.fixture
def partly(toy, toy_root, tmp_path):
    """The sentences from a file that lacks two classes and has none for a third."""
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"red car": ["A car."], "green tree": [], "Blue boat": ["A boat."], "pig": ["A pig."]}))
    return lambda **settings: sentences_of(toy, toy_root, NAMES, str(path), **settings)


def test_without_asking_a_class_without_sentences_is_an_error_that_names_the_option(partly):
    with pytest.raises(PromptError, match=r"'yellow sun', 'grey stone'.*--data\.templates_for_missing true"):
        partly()


def test_templates_stand_in_for_classes_without_sentences_alone(partly):
    def filled(name):
        return [f"a photo of a {name}.", f"a drawing of a {name}."]

    found = partly(templates_for_missing=True)
    assert list(found) == NAMES
    assert found == {
        "red_car": ["A car."],
        "Blue Boat": ["A boat."],
        "green tree": filled("green tree"),
        "yellow sun": filled("yellow sun"),
        "grey stone": filled("grey stone"),
    }


def test_where_nothing_is_missing_templates_change_nothing(toy, toy_root):
    plain = sentences_of(toy, toy_root, NAMES, "llm")
    assert sentences_of(toy, toy_root, NAMES, "llm", templates_for_missing=True) == plain


def test_classes_of_one_name_share_their_sentences(toy, toy_root):
    doubled = ["red_car", "grey stone", "red_car"]
    for missing in (False, True):
        found = sentences_of(toy, toy_root, doubled, "llm", templates_for_missing=missing)
        assert list(found) == ["red_car", "grey stone"]


# ---- real files ----------------------------------------------------------------------------------------------------


def test_the_shapes_world_brings_its_own(tmp_path):
    found = sentences_of(load_manifest("shapes"), tmp_path, CLASS_NAMES[:3], "sentences")
    assert found == {name: shapes_sentences()[name] for name in CLASS_NAMES[:3]}


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("dataset", "source", "classes", "sentences"),
    [("caltech101", "cupl", 100, 3000), ("stanford_cars", "cupl", 196, 17640), ("eurosat", "sentences", 10, None)],
)
def test_public_files_resolve_for_every_class(dataset, source, classes, sentences, shared_data):
    manifest = load_manifest(dataset)
    names = read_split(manifest, shared_data).class_names
    found = sentences_of(manifest, shared_data, names, source)
    assert list(found) == names
    assert len(found) == classes
    assert all(found.values())
    assert sentences in (None, sum(map(len, found.values())))


@pytest.mark.shared_data
@pytest.mark.parametrize("dataset", ["caltech101", "stanford_cars", "eurosat"])
def test_class_names_and_counts_are_coops(dataset, shared_data):
    split = read_split(load_manifest(dataset), shared_data)
    assert split.class_names == (shared_data / "classnames" / f"{dataset}.txt").read_text().splitlines()
    counts = load_manifest(dataset).counts
    assert (counts.classes, counts.train, counts.val, counts.test) == (
        len(split.class_names), len(split.train), len(split.val), len(split.test),
    )  # fmt: skip


@pytest.mark.shared_data
@pytest.mark.parametrize(("dataset", "count"), [("caltech101", 8), ("stanford_cars", 1)])
def test_the_aliases_are_exactly_those_that_are_needed(dataset, count, shared_data):
    manifest = load_manifest(dataset)
    source, names = manifest.prompts["cupl"], read_split(manifest, shared_data).class_names
    keys = read_sentences(shared_data / source.file)
    aliased = sorted(source.aliases.values(), key=names.index)
    assert len(aliased) == count
    with pytest.raises(PromptError) as caught:
        match_names(keys, names, {})
    assert str(caught.value).startswith(f"{count} of {len(names)} classes have no sentences: {aliased[0]!r}")
    assert all(repr(name) in str(caught.value) for name in aliased)
    for alias in source.aliases:
        with pytest.raises(PromptError, match=re.escape(f"1 of {len(names)} classes have no sentences")):
            match_names(keys, names, {key: name for key, name in source.aliases.items() if key != alias})


@pytest.mark.shared_data
def test_77_of_cupls_3000_caltech_sentences_exceed_the_small_clips_context(shared_data):
    manifest = load_manifest("caltech101")
    backbone = load_backbone(str(shared_data / "pretrained" / "small_clip.pt"))
    found = sentences_of(manifest, shared_data, read_split(manifest, shared_data).class_names, "cupl")
    counts = [backbone.token_count(text) for texts in found.values() for text in texts]
    assert (len(counts), sum(count > 32 for count in counts)) == (3000, 77)
    curation = curate(found, context_length=32, token_count=backbone.token_count, truncate=False)
    kept = sum(map(len, curation.sentences.values()))
    assert kept + curation.near_empty + curation.duplicates + curation.too_long == 3000
    assert curation.too_long + curation.duplicates >= 77 >= curation.too_long
