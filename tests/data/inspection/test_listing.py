import io

import pytest
from aape_lightning.data.inspection.listing import known_datasets, listing_table
from aape_lightning.data.manifests import read_manifest
from aape_lightning.errors import ManifestError
from aape_lightning.resources import manifest_names
from rich.console import Console

DOMAINS = ["pacs/photo", "pacs/art_painting", "pacs/cartoon", "pacs/sketch"]
STYLES = ["shapes", "shapes/flat", "shapes/sketch", "shapes/crayon", "shapes/neon"]


def shown(datasets, root, width=120):
    console = Console(width=width, file=io.StringIO())
    console.print(listing_table(datasets, root))
    return console.file.getvalue()


def test_every_manifest_is_listed_domain_by_domain():
    names = [dataset["name"] for dataset in known_datasets(None)]
    assert sorted(names) == sorted({*manifest_names(), *DOMAINS, *STYLES} - {"pacs"})
    assert [name for name in names if name.startswith("pacs")] == DOMAINS


def test_a_dataset_that_can_do_without_a_domain_is_listed_before_its_domains():
    names = [dataset["name"] for dataset in known_datasets(None)]
    place = names.index("shapes")
    assert names[place : place + 5] == STYLES


def test_each_is_described_as_its_manifest_says():
    for dataset in known_datasets(None):
        manifest = read_manifest(dataset["name"])
        assert (dataset["title"], dataset["kind"], dataset["licence"]) == (
            manifest.title, manifest.kind, manifest.licence,
        )  # fmt: skip
        assert dataset["counts"] == manifest.counts.model_dump()
        assert dataset["folder"] is None


def test_folders_are_found_under_any_of_their_names(tmp_path):
    for name in ("Caltech101", "DTD", "pacs"):
        (tmp_path / name).mkdir()
    (tmp_path / "EuroSAT").write_text("a file")
    found = {dataset["name"]: dataset["folder"] for dataset in known_datasets(tmp_path) if dataset["folder"]}
    assert found == {"caltech101": str(tmp_path / "Caltech101"), "dtd": str(tmp_path / "DTD")} | {
        name: str(tmp_path / "pacs") for name in DOMAINS
    }


def test_a_root_that_is_no_folder_is_an_error_that_names_the_option(tmp_path):
    with pytest.raises(ManifestError, match=r"/no' is no folder.*--root"):
        known_datasets(tmp_path / "no")


def test_the_table_has_a_row_a_dataset(tmp_path):
    (tmp_path / "caltech-101").mkdir()
    datasets = known_datasets(tmp_path)
    lines = {words[0]: words[1:] for line in shown(datasets, tmp_path).splitlines() if (words := line.split())}
    assert lines["caltech101"] == ["classes", "100", "4,128", "1,649", "2,465", "caltech-101"]
    assert lines["imagenetv2"] == ["classes", "1,000", "-", "-", "10,000", "-"]
    assert lines["coco"][0] == "captions"
    assert lines["shapes"][-2:] == ["built", "in"]
    assert {dataset["name"] for dataset in datasets} <= lines.keys()


def test_without_a_root_no_folder_is_shown():
    text = shown(known_datasets(None), None)
    assert "folder" not in text
    assert "caltech101" in text


def test_a_terminal_of_80_columns_shows_every_name_and_count(tmp_path):
    (tmp_path / "stanford_cars").mkdir()
    datasets = known_datasets(tmp_path)
    text = shown(datasets, tmp_path, width=80)
    assert all(dataset["name"] in text for dataset in datasets)
    assert "1,281,167" in text
    assert text.count("stanford_cars") == 2
