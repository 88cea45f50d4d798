import pytest
from aape_lightning.data import load_manifest, read_split
from aape_lightning.data.readers.fgvc import read_fgvc_split
from aape_lightning.data.splits import Item
from aape_lightning.errors import DataError, ManifestError


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "fgvc_aircraft"
    folder.mkdir()
    (folder / "variants.txt").write_text("737-200\nF-16A/B\nCessna 172\n")
    (folder / "images_variant_train.txt").write_text("1025794 F-16A/B\n0034309 737-200\n")
    (folder / "images_variant_val.txt").write_text("2000001 Cessna 172\n")
    (folder / "images_variant_test.txt").write_text("0000007 737-200\n\n0000008 Cessna 172\n")
    return folder


def test_labels_are_lines_of_the_list_of_variants(folder):
    split = read_fgvc_split(folder)
    assert split.class_names == ["737-200", "F-16A/B", "Cessna 172"]
    assert split.train == [Item("1025794.jpg", 1), Item("0034309.jpg", 0)]
    assert split.val == [Item("2000001.jpg", 2)]
    assert split.test == [Item("0000007.jpg", 0), Item("0000008.jpg", 2)]


def test_the_manifest_finds_the_lists(folder):
    manifest = load_manifest("fgvc_aircraft")
    assert read_split(manifest, folder.parent) == read_fgvc_split(folder)
    assert read_split(manifest, folder.parent, folder / "variants.txt") == read_fgvc_split(folder)


@pytest.mark.shared_data
def test_its_names_are_the_published_ones_whatever_their_characters(folder, shared_data):
    published = (shared_data / "classnames" / "fgvc_aircraft.txt").read_text(encoding="utf-8").splitlines()
    (folder / "variants.txt").write_text("\n".join(published))
    for part in ("train", "val", "test"):
        lines = [f"{number:07d} {name}" for number, name in enumerate(published)]
        (folder / f"images_variant_{part}.txt").write_text("\n".join(lines))
    split = read_fgvc_split(folder)
    assert split.class_names == published
    assert [item.label for item in split.test] == list(range(100))


@pytest.mark.parametrize("name", ["variants.txt", "images_variant_val.txt"])
def test_a_missing_or_empty_list_is_named(name, folder):
    (folder / name).write_text("\n")
    with pytest.raises(DataError, match=rf"{name}.*is empty"):
        read_fgvc_split(folder)
    (folder / name).write_bytes(b"\xff\xfe1")
    with pytest.raises(DataError, match=rf"{name}.*UTF-8"):
        read_fgvc_split(folder)
    (folder / name).unlink()
    with pytest.raises(ManifestError, match=name):
        read_fgvc_split(folder)


def test_a_line_without_a_variant_is_named(folder):
    (folder / "images_variant_test.txt").write_text("0000007 737-200\n0000008 Cesna 172\n")
    with pytest.raises(DataError, match=r"images_variant_test\.txt', line 2: .*Did you mean 'Cessna 172'"):
        read_fgvc_split(folder)


def test_a_variant_that_stands_twice_is_refused(folder):
    (folder / "variants.txt").write_text("737-200\n737-200\n")
    with pytest.raises(DataError, match="twice"):
        read_fgvc_split(folder)
