import re

import pytest
import yaml
from aape_lightning.data import load_manifest
from aape_lightning.data.manifests import dataset_folder
from aape_lightning.data.sentences import sentences_of
from aape_lightning.errors import ManifestError
from aape_lightning.resources import manifest_names

SHIPPED = sorted(manifest_names())
SMALL = {
    "name": "pets",
    "title": "Pets",
    "split": {"format": "coop", "file": "split.json"},
    "counts": {"classes": 2, "train": 4, "val": 2, "test": 4},
    "licence": "none",
    "source": "https://example.org",
}


def written(folder, content):
    path = folder / "pets.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return str(path)


def test_datasets_ship():
    assert {
        "caltech101", "dtd", "eurosat", "fgvc_aircraft", "food101", "oxford_flowers", "oxford_pets", "shapes",
        "stanford_cars", "sun397", "ucf101",
    } == set(SHIPPED)  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_manifest_is_valid(name):
    manifest = load_manifest(name)
    assert manifest.name == name
    assert manifest.licence
    assert manifest.source
    assert all("{}" in template for template in manifest.templates)
    assert (manifest.split.format == "shapes") != bool(manifest.folder)


def test_a_manifest_is_read_by_its_path_and_what_it_omits_has_a_default(tmp_path):
    manifest = load_manifest(written(tmp_path, SMALL))
    assert (manifest.title, manifest.images, manifest.templates) == ("Pets", ".", ["a photo of a {}."])
    assert manifest.prompts == {}


def test_a_manifest_cannot_be_changed(tmp_path):
    manifest = load_manifest(written(tmp_path, SMALL))
    with pytest.raises(ValueError, match="frozen"):
        manifest.title = "Cats"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SMALL | {"template": "a {}."}, "template: Extra inputs are not permitted"),
        (SMALL | {"split": {"format": "coop", "path": "a"}}, r"split\.path: Extra inputs are not permitted"),
        (SMALL | {"split": {"format": "csv"}}, r"split\.format: Input should be 'coop', 'fgvc' or 'shapes'"),
        (SMALL | {"split": {"format": "coop"}}, "split: .*the format 'coop' needs `file`"),
        (SMALL | {"templates": []}, "templates: List should have at least 1 item"),
        (SMALL | {"folder": "pets"}, "folder: Input should be a valid list"),
        (SMALL | {"counts": {"classes": 2, "train": "many", "val": 2, "test": 4}}, r"counts\.train: .*valid integer"),
        (SMALL | {"prompts": {"llm": {"file": "a.json", "alias": {}}}}, r"prompts\.llm\.alias: Extra inputs"),
        ({"name": "pets"}, "title: Field required"),
        ("", "valid dictionary"),
        ("[1, 2]", "valid dictionary"),
    ],
)
def test_a_breach_of_the_schema_is_an_error_that_names_file_and_key(content, message, tmp_path):
    path = written(tmp_path, content)
    with pytest.raises(ManifestError, match=rf"(?s)Manifest {re.escape(repr(path))} breaks the schema:.*{message}"):
        load_manifest(path)


def test_every_breach_is_listed(tmp_path):
    path = written(tmp_path, SMALL | {"a": 1, "b": 2, "title": 3})
    with pytest.raises(ManifestError) as caught:
        load_manifest(path)
    assert [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]] == ["title", "a", "b"]


@pytest.mark.parametrize("content", [b"a: [1", b"\xff\xfe\x00", b"a: b: c"])
def test_a_file_that_is_not_yaml_is_an_error_that_names_it(content, tmp_path):
    path = tmp_path / "pets.yaml"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=f"{re.escape(repr(str(path)))} is not YAML"):
        load_manifest(str(path))


def test_an_unknown_name_is_an_error_with_the_closest_one():
    with pytest.raises(ManifestError, match=r"No manifest 'caltec101'.*'eurosat'.*Did you mean 'caltech101'\?"):
        load_manifest("caltec101")


def test_the_folder_is_found_under_any_of_its_names(toy_root, tmp_path):
    manifest = load_manifest(str(toy_root / "toy.yaml"))
    (tmp_path / "Toy-Dataset").mkdir()
    assert dataset_folder(manifest, tmp_path) == tmp_path / "Toy-Dataset"
    (tmp_path / "toy").mkdir()
    assert dataset_folder(manifest, tmp_path) == tmp_path / "toy"  # the first name is preferred


def test_a_missing_root_is_an_error_that_names_the_option(toy_root, tmp_path):
    manifest = load_manifest(str(toy_root / "toy.yaml"))
    with pytest.raises(ManifestError, match=f"{re.escape(repr(str(tmp_path / 'no')))} is no folder.*--data.root"):
        dataset_folder(manifest, tmp_path / "no")


def test_a_missing_folder_is_an_error_with_what_is_expected_and_what_is_there(toy_root, tmp_path):
    manifest = load_manifest(str(toy_root / "toy.yaml"))
    for name in ("toys", "caltech-101"):
        (tmp_path / name).mkdir()
    (tmp_path / "toy").write_text("a file")
    with pytest.raises(ManifestError) as caught:
        dataset_folder(manifest, tmp_path)
    for words in ("'toy', 'Toy-Dataset'", "found 'caltech-101', 'toys'", "Did you mean 'toys'?", manifest.source):
        assert words in str(caught.value)


def test_the_shapes_world_needs_no_folder(tmp_path):
    assert dataset_folder(load_manifest("shapes"), tmp_path / "no") == tmp_path / "no"


@pytest.mark.shared_data
@pytest.mark.parametrize("name", sorted(set(SHIPPED) - {"shapes"}))
def test_a_manifest_counts_the_published_classes(name, shared_data):
    published = (shared_data / "classnames" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    manifest = load_manifest(name)
    assert manifest.counts.classes == len(published)
    for source in manifest.prompts.values():
        assert set(source.aliases.values()) <= set(published)


@pytest.mark.shared_data
def test_all_class_names_of_sun397_resolve_by_rule(shared_data):
    published = (shared_data / "classnames" / "sun397.txt").read_text(encoding="utf-8").splitlines()
    found = sentences_of(load_manifest("sun397"), shared_data, published, "cupl")
    assert list(found) == published
    assert all(found.values())
