import re

import pytest
import yaml
from aape_lightning.data import load_manifest, read_split
from aape_lightning.data.classes import class_names_of
from aape_lightning.data.inspection.listing import known_datasets
from aape_lightning.data.manifests import load_caption_manifest, read_manifest
from aape_lightning.data.places import data_root, dataset_folder, image_folder, is_built_in
from aape_lightning.data.schema import ClassManifest
from aape_lightning.data.sentences import sentences_of
from aape_lightning.data.shapes import STYLES
from aape_lightning.errors import ManifestError, PromptError
from aape_lightning.resources import manifest_names

SHIPPED = [dataset["name"] for dataset in known_datasets(None)]
OF_CLASSES = [dataset["name"] for dataset in known_datasets(None) if dataset["kind"] == "classes"]
SMALL = {
    "name": "pets",
    "title": "Pets",
    "split": {"format": "coop", "file": "split.json"},
    "counts": {"classes": 2, "train": 4, "val": 2, "test": 4},
    "licence": "none",
    "source": "https://example.org",
}
FOLDERS = {"format": "folders"}
# Classes and images, as CoOp's datasets are known to have them; 0 where there is no such part.
PUBLISHED = {
    "caltech101": (100, 4128, 1649, 2465),
    "oxford_pets": (37, 2944, 736, 3669),
    "stanford_cars": (196, 6509, 1635, 8041),
    "oxford_flowers": (102, 4093, 1633, 2463),
    "food101": (101, 50500, 20200, 30300),
    "fgvc_aircraft": (100, 3334, 3333, 3333),
    "sun397": (397, 15880, 3970, 19850),
    "dtd": (47, 2820, 1128, 1692),
    "eurosat": (10, 13500, 5400, 8100),
    "ucf101": (101, 7639, 1898, 3783),
    "imagenet": (1000, 1281167, 0, 50000),
    "imagenetv2": (1000, 0, 0, 10000),
    "imagenet_sketch": (1000, 0, 0, 50889),
    "imagenet_a": (200, 0, 0, 7500),
    "imagenet_r": (200, 0, 0, 30000),
}
BASE_AND_NEW = {"oxford_pets": (19, 18), "food101": (51, 50), "sun397": (199, 198), "dtd": (24, 23), "ucf101": (51, 50)}


def written(folder, content):
    path = folder / "pets.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return str(path)


# ---- those that ship -----------------------------------------------------------------------------------------------


def test_datasets_ship():
    captions_and_questions = {"coco", "flickr30k", "flickr8k", "nocaps", "vqav2", "daquar"}
    built_in = {"shapes", "shapes_captions", "shapes_questions"}
    assert set(manifest_names()) == {*PUBLISHED, *built_in, "pacs", *captions_and_questions}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_manifest_is_valid(name):
    manifest = read_manifest(name)
    assert manifest.name == name
    assert manifest.licence
    assert manifest.source
    assert manifest.counts is not None
    assert is_built_in(manifest) != bool(manifest.folder)
    if isinstance(manifest, ClassManifest):
        sets = [manifest.templates, *manifest.template_sets.values()]
        assert all("{}" in template for templates in sets for template in templates)


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_are_the_published_ones(name):
    counts = load_manifest(name).counts
    assert (counts.classes, counts.train, counts.val, counts.test) == PUBLISHED[name]


@pytest.mark.parametrize("name", OF_CLASSES)
def test_class_names_agree_with_their_count(name, tmp_path):
    manifest = load_manifest(name)
    assert len(class_names_of(manifest, tmp_path)) == manifest.counts.classes


def test_the_halves_of_odd_datasets_are_the_published_ones(tmp_path):
    from aape_lightning.data.subsets import subset_labels

    for name, halves in BASE_AND_NEW.items():
        classes = load_manifest(name).counts.classes
        assert tuple(len(subset_labels(classes, half)) for half in ("base", "new")) == halves


@pytest.mark.shared_data
@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_class_names_are_the_published_ones(name, shared_data, tmp_path):
    file = "imagenet" if name in ("imagenetv2", "imagenet_sketch") else name
    lines = (shared_data / "classnames" / f"{file}.txt").read_text(encoding="utf-8").splitlines()
    manifest = load_manifest(name)
    if name.startswith("imagenet"):
        assert [f"{key} {name}" for key, name in manifest.class_names.items()] == lines
        assert list(manifest.class_names) == sorted(manifest.class_names)
    else:
        assert class_names_of(manifest, tmp_path) == lines


def test_two_pairs_of_imagenets_classes_share_a_name(tmp_path):
    names = class_names_of(load_manifest("imagenet"), tmp_path)
    assert sorted(name for name in set(names) if names.count(name) > 1) == ["missile", "sunglasses"]


@pytest.mark.shared_data
def test_all_class_names_of_sun397_resolve_by_rule(shared_data):
    manifest = load_manifest("sun397")
    found = sentences_of(manifest, shared_data, class_names_of(manifest, shared_data), "cupl")
    assert len(found) == 397
    assert all(found.values())


# ---- reading one ---------------------------------------------------------------------------------------------------


def test_a_manifest_of_a_few_lines_is_enough(tmp_path):
    manifest = load_manifest(written(tmp_path, {"name": "pets", "split": SMALL["split"]}))
    assert (manifest.title, manifest.images, manifest.templates) == ("pets", ["."], ["a photo of a {}."])
    assert (manifest.prompts, manifest.counts, manifest.root) == ({}, None, None)


def test_a_manifest_cannot_be_changed(tmp_path):
    manifest = load_manifest(written(tmp_path, SMALL))
    with pytest.raises(ValueError, match="frozen"):
        manifest.title = "Cats"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SMALL | {"template": ["a {}."]}, r"template: Extra inputs are not permitted Did you mean 'templates'\?"),
        (SMALL | {"split": {"format": "coop", "path": "a"}}, r"split\.path: Extra inputs are not permitted"),
        (SMALL | {"split": {"format": "csvs"}}, "split: Input tag 'csvs' .*expected tags: 'coop', 'fgvc', 'shapes', "),
        (SMALL | {"split": {"file": "split.json"}}, "split: Unable to extract tag using discriminator 'format'"),
        (SMALL | {"split": {"format": "coop"}}, r"split\.file: Field required"),
        (SMALL | {"split": FOLDERS}, "split: .*name the folders of `parts`, or a `cut`"),
        (SMALL | {"split": FOLDERS | {"parts": {"trian": "t"}}}, r"split\.parts\.trian.*: Input should be 'train'"),
        (
            SMALL | {"split": FOLDERS | {"cut": {"train": 0.8, "val": 0.3}}},
            r"split\.cut: .*0\.8 \+ 0\.3 is more than 1",
        ),
        (SMALL | {"split": FOLDERS | {"parts": {"test": "t"}, "cut": {}}}, "split: .*`parts` has no train"),
        (
            SMALL | {"split": FOLDERS | {"parts": {"train": "a", "test": "b"}, "cut": {}}},
            r"split: .*train \+ val must be 1",
        ),
        (SMALL | {"split": {"format": "csv", "file": "a.csv"}}, "split: .*name either `split`.*or a `cut`"),
        (SMALL | {"templates": []}, "templates: List should have at least 1 item"),
        (SMALL | {"folder": "pets"}, "folder: Input should be a valid list"),
        (SMALL | {"counts": {"classes": 2, "train": "many", "val": 2, "test": 4}}, r"counts\.train: .*valid integer"),
        (SMALL | {"prompts": {"llm": {"file": "a.json", "alias": {}}}}, r"prompts\.llm\.alias: Extra inputs"),
        (
            SMALL | {"class_names": ["dog", "cat"], "prompts": {"llm": {"aliases": {"Kitty": "kat"}}}},
            r"prompts\.llm\.aliases: 'Kitty' stands for 'kat', which is no class",
        ),
        (SMALL | {"class_names": {"d": "dog"}}, "class_names with keys are for class folders; .*'coop' needs a list"),
        (SMALL | {"split": FOLDERS | {"parts": {"test": "t"}, "numbered": True}}, "numbered folders need class_names"),
        ({"title": "Pets", "split": SMALL["split"]}, "name: Field required"),
        (SMALL | {"kind": "clases"}, "kind: Input should be 'classes'"),
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


def test_a_missing_file_is_told_by_its_whole_path(tmp_path):
    with pytest.raises(ManifestError, match=rf"No manifest '{tmp_path}/mine\.yaml'"):
        load_manifest(str(tmp_path / "mine.yaml"))


def test_an_unknown_name_is_an_error_with_the_closest_one():
    with pytest.raises(ManifestError, match=r"No manifest 'caltec101'. Did you mean 'caltech101'\?"):
        load_manifest("caltec101")


def test_a_manifest_of_another_kind_is_an_error_that_says_which():
    with pytest.raises(ManifestError, match="'coco' is of captions, and what you asked for needs classified images"):
        load_manifest("coco")
    with pytest.raises(ManifestError, match="'caltech101' is of classes, and what you asked for needs captions"):
        load_caption_manifest("caltech101")


# ---- class names beside it -----------------------------------------------------------------------------------------


def test_class_names_may_stand_in_a_file_beside_the_manifest(tmp_path):
    (tmp_path / "names.txt").write_text("golden retriever\n\ntabby cat\n")
    manifest = load_manifest(written(tmp_path, SMALL | {"class_names": "names.txt"}))
    assert manifest.class_names == ["golden retriever", "tabby cat"]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    (tmp_path / "names.txt").write_text("\ufeffdog\ncat\n", encoding="utf-8")
    assert load_manifest(written(tmp_path, SMALL | {"class_names": "names.txt"})).class_names == ["dog", "cat"]


def test_class_names_of_folders_stand_after_their_keys(tmp_path):
    (tmp_path / "names.txt").write_text("n1 golden retriever\nn2 tabby cat\n")
    content = SMALL | {"class_names": "names.txt", "split": FOLDERS | {"cut": {}}}
    assert load_manifest(written(tmp_path, content)).class_names == {"n1": "golden retriever", "n2": "tabby cat"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("n1 dog\nn2\n", "line 2: 'n2' is not a new key"),
        ("n1 dog\nn1 cat\n", "line 2: 'n1 cat' is not a new key"),
        ("\n", "are empty"),
        (None, "cannot be read"),
    ],
)
def test_a_bad_file_of_class_names_is_an_error_that_names_it(names, message, tmp_path):
    if names is not None:
        (tmp_path / "names.txt").write_text(names)
    path = written(tmp_path, SMALL | {"class_names": "names.txt", "split": FOLDERS | {"cut": {}}})
    with pytest.raises(ManifestError, match=f"names.txt'.*{message}"):
        load_manifest(path)


# ---- domains -------------------------------------------------------------------------------------------------------


def test_a_domain_is_a_source_or_a_target():
    source, target = load_manifest("pacs/sketch"), load_manifest("pacs/sketch:target")
    assert (source.counts.train, source.counts.val, source.counts.test) == (1964, 786, 1179)
    assert (target.counts.train, target.counts.val, target.counts.test) == (0, 0, 3929)
    assert source.images[0] == target.images[0] == "./sketch"


def test_the_styles_of_the_shapes_world_are_domains_and_it_can_do_without_one():
    plain, flat = load_manifest("shapes"), load_manifest("shapes/flat")
    assert plain.name == "shapes"
    assert (flat.name, flat.title) == ("shapes/flat", "Shapes world, flat")
    assert (flat.split, flat.counts, flat.prompts) == (plain.split, plain.counts, plain.prompts)
    assert list(plain.domains) == list(STYLES)
    assert {tuple(counts) for counts in plain.domains.values()} == {tuple(plain.counts)}


@pytest.mark.parametrize("style", STYLES)
def test_a_style_is_a_source_with_all_parts_or_a_target_with_the_test_part(style, tmp_path):
    source, target = load_manifest(f"shapes/{style}"), load_manifest(f"shapes/{style}:target")
    for manifest, parts in ((source, ("train", "val", "test")), (target, ("test",))):
        split = read_split(manifest, tmp_path)
        sizes = {part: len(split.part(part)) for part in ("train", "val", "test")}
        assert sizes == {part: getattr(manifest.counts, part) for part in sizes}
        assert {part for part, size in sizes.items() if size} == set(parts)
        assert {item.path.partition("/")[0] for item in split.test} == {style}
    assert read_split(target, tmp_path).test == read_split(source, tmp_path).test


def test_a_style_that_there_is_not_is_an_error_with_a_hint():
    with pytest.raises(ManifestError, match=r"'shapes/scetch' is none of them.*Did you mean 'shapes/sketch'\?"):
        load_manifest("shapes/scetch")


@pytest.mark.parametrize(("name", "meant"), [("pacs", "pacs/photo"), ("pacs/foto", "pacs/photo")])
def test_another_domain_is_an_error_that_lists_them(name, meant):
    with pytest.raises(ManifestError, match=rf"'pacs/sketch' .*':target' .*Did you mean '{meant}'\?"):
        load_manifest(name)


def test_a_dataset_without_domains_has_none():
    with pytest.raises(ManifestError, match="'caltech101' has no domains, so there is no 'caltech101/photo'"):
        load_manifest("caltech101/photo")


# ---- where its files lie -------------------------------------------------------------------------------------------


def test_a_manifests_own_root_is_relative_to_its_folder_and_gives_way_to_another(tmp_path):
    manifest = load_manifest(written(tmp_path, SMALL | {"root": "images"}))
    assert data_root(manifest, None) == tmp_path / "images"
    assert data_root(manifest, "elsewhere").name == "elsewhere"
    assert str(data_root(load_manifest("caltech101"), None)) == "."


def test_the_folder_is_found_under_any_of_its_names(toy_root, tmp_path):
    manifest = load_manifest(str(toy_root / "toy.yaml"))
    (tmp_path / "Toy-Dataset").mkdir()
    assert dataset_folder(manifest, tmp_path) == tmp_path / "Toy-Dataset"
    (tmp_path / "toy").mkdir()
    assert dataset_folder(manifest, tmp_path) == tmp_path / "toy"  # the first name is preferred


def test_the_image_folder_is_found_under_any_of_its_names(tmp_path):
    """ImageNet lies in imagenet/images/train with CoOp, in imagenet/train elsewhere."""
    manifest = load_manifest("imagenet")
    (tmp_path / "imagenet").mkdir()
    assert image_folder(manifest, tmp_path) == tmp_path / "imagenet"
    (tmp_path / "imagenet" / "images").mkdir()
    assert image_folder(manifest, tmp_path) == tmp_path / "imagenet" / "images"


def test_a_missing_image_folder_is_an_error_that_says_where_to_get_it(tmp_path):
    (tmp_path / "dtd").mkdir()
    with pytest.raises(ManifestError, match=r"expected a folder 'images' in .*dtd'.*robots\.ox\.ac\.uk"):
        image_folder(load_manifest("dtd"), tmp_path)


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


# ---- sentences that a manifest does or does not name ---------------------------------------------------------------


def test_without_sentences_templates_are_used_only_when_asked_for(tmp_path):
    manifest = load_manifest(written(tmp_path, SMALL))
    with pytest.raises(PromptError, match=r"Pets names no sentences.*--data.prompts FILE.*--data.prompts templates"):
        sentences_of(manifest, tmp_path, ["dog"], None)
    assert sentences_of(manifest, tmp_path, ["dog"], "templates") == {"dog": ["a photo of a dog."]}
