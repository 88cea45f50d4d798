import random
import re

import pytest
import yaml
from aape_lightning.data import Item, load_manifest, read_split
from aape_lightning.data.inspection.check import check_dataset
from aape_lightning.data.readers.tables import read_csv_split
from aape_lightning.data.schema.classes import CsvSplit
from aape_lightning.errors import DataError, ManifestError

PLAIN = "path,label,split\na/1.jpg,yellow dog,train\nb/1.jpg,cat,val\na/2.jpg,yellow dog,test\nb/2.jpg,cat,train\n"


@pytest.fixture
def read(tmp_path):
    """Reads a table of this content."""

    def split(content, class_names=None, **source):
        path = tmp_path / "birds.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        columns = {"split": "split"} if "cut" not in source else {}
        return read_csv_split(path, CsvSplit(format="csv", file=path.name, **columns | source), class_names)

    return split


# ---- what is read --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(PLAIN, id="plain"),
        pytest.param("\ufeff" + PLAIN, id="byte order mark"),
        pytest.param(PLAIN.replace("\n", "\r\n"), id="windows line ends"),
        pytest.param(PLAIN.removesuffix("\n"), id="no last line end"),
        pytest.param(PLAIN.replace("\n", "\n\n"), id="blank lines"),
        pytest.param(PLAIN.replace("a/1.jpg,yellow dog,train", '"a/1.jpg","yellow dog","train"'), id="quotes"),
        pytest.param(PLAIN.replace(",yellow dog,", ", yellow dog ,"), id="spaces around cells"),
        pytest.param(PLAIN.replace("a/1.jpg", "a\\1.jpg"), id="windows paths"),
        pytest.param(
            PLAIN.replace(",train", ",Training").replace(",val", ", VALID ").replace(",test", ",eval"), id="synonyms"
        ),
        pytest.param(
            "split,note,label,path\ntrain,x,yellow dog,a/1.jpg\nval,,cat,b/1.jpg\n"
            "test,\"1,2\",yellow dog,a/2.jpg\ntrain,,cat,b/2.jpg\n",
            id="other order and further columns",
        ),
    ],
)  # fmt: skip
def test_a_table_as_programs_write_it(content, read):
    split = read(content)
    assert split.class_names == ["cat", "yellow dog"]
    assert split.train == [Item("a/1.jpg", 1), Item("b/2.jpg", 0)]
    assert split.val == [Item("b/1.jpg", 0)]
    assert split.test == [Item("a/2.jpg", 1)]


def test_columns_may_be_called_otherwise(read):
    content = PLAIN.replace("path,label,split", "Image File,class,fold")
    split = read(content, path="Image File", label="class", split="fold")
    assert (len(split.train), len(split.val), len(split.test)) == (2, 1, 1)


def test_quoted_names_may_hold_commas_quotes_and_line_ends(read):
    split = read('path,label,split\n"a, b.jpg","dog, ""big""",train\nc.jpg,"two\nlines",train\n')
    assert split.train == [Item("a, b.jpg", 0), Item("c.jpg", 1)]
    assert split.class_names == ['dog, "big"', "two\nlines"]


def test_a_manifest_gives_the_label_order_and_may_know_more_classes(read):
    split = read(PLAIN, ["yellow dog", "bird", "cat"])
    assert split.class_names == ["yellow dog", "bird", "cat"]
    assert split.train == [Item("a/1.jpg", 0), Item("b/2.jpg", 2)]


def test_without_a_column_of_parts_each_class_is_cut_by_coops_rule(read):
    paths = {"cat": [f"cat{k}.jpg" for k in range(8)], "dog": [f"dog{k}.jpg" for k in range(11)]}
    rows = [f"{path},{name}" for name, group in paths.items() for path in group]
    expected, generator = ([], [], []), random.Random(2)
    for label, group in enumerate(paths.values()):
        ordered = sorted(group)
        generator.shuffle(ordered)
        ends = (round(len(group) * 0.5), round(len(group) * 0.5) + round(len(group) * 0.2))
        for part, piece in zip(expected, (ordered[: ends[0]], ordered[slice(*ends)], ordered[ends[1] :]), strict=True):
            part.extend(Item(path, label) for path in piece)
    for order in (rows, rows[::-1], random.Random(0).sample(rows, len(rows))):
        split = read("\n".join(["path,label", *order]), cut={"seed": 2})
        assert (split.train, split.val, split.test) == expected


# ---- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (PLAIN.replace(",test", ",tets"), DataError, "row 4: 'tets' is no part; the parts are called train, val and"),
        (PLAIN.replace(",test", ","), DataError, "row 4: '' is no part"),
        (PLAIN.replace("b/1.jpg", " "), DataError, "row 3: the cell of 'path' is empty"),
        (PLAIN.replace("b/1.jpg,cat", "b/1.jpg,"), DataError, "row 3: the cell of 'label' is empty"),
        (PLAIN.replace("a/2.jpg", "a/1.jpg"), DataError, r"row 4: 'a/1\.jpg' stands in an earlier row already"),
        (PLAIN.replace("a/2.jpg", "a\\1.jpg"), DataError, r"row 4: 'a/1\.jpg' stands in an earlier row already"),
        (PLAIN.replace("path,", "paht,"), ManifestError, r"no column 'path'; .*'paht', 'label'.* mean 'paht'\?"),
        (PLAIN.replace(",split", ""), ManifestError, "has no column 'split'; its columns are 'path', 'label'"),
        (PLAIN.replace(",", ";"), ManifestError, "its columns are 'path;label;split'"),
        ("path,label,split\n", DataError, "has no row beneath its header"),
        ("", ManifestError, "has no column 'path', 'label', 'split'"),
        (PLAIN.replace("b/1.jpg,cat,val", "b/1.jpg,cat"), DataError, "row 3: the row lacks cells"),
        (PLAIN.replace("cat,val", "cat, big,val"), DataError, "row 3: there are more cells than columns.*double"),
        (PLAIN.replace("yellow", "j\u00e4ger").encode("latin-1"), DataError, "cannot be read as a UTF-8 CSV file"),
    ],
)  # fmt: skip
def test_a_fault_is_an_error_that_names_file_and_row(content, error, message, read, tmp_path):
    with pytest.raises(error, match=f"{re.escape(repr(str(tmp_path / 'birds.csv')))}.*{message}"):
        read(content)


def test_a_label_that_the_manifest_does_not_know_is_an_error_with_the_closest(read):
    with pytest.raises(ManifestError, match=r"row 2: 'yellow dog' is none of the .* Did you mean 'yellow dogs'\?"):
        read(PLAIN, ["cat", "yellow dogs"])


def test_a_missing_table_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ManifestError, match=re.escape(str(tmp_path / "no.csv"))):
        read_csv_split(tmp_path / "no.csv", CsvSplit(format="csv", file="no.csv", split="split"), None)


# ---- by a manifest -------------------------------------------------------------------------------------------------


@pytest.fixture
def manifest(tmp_path):
    """Writes the table and a manifest of it; keywords change the manifest."""

    def make(**changes):
        (tmp_path / "birds").mkdir()
        (tmp_path / "birds" / "birds.csv").write_text(PLAIN)
        content = {"name": "birds", "folder": ["birds"], "split": {"format": "csv", "file": "birds.csv"}}
        content["split"]["split"] = "split"
        (tmp_path / "birds.yaml").write_text(yaml.safe_dump(content | changes))
        return load_manifest(str(tmp_path / "birds.yaml"))

    return make


def test_the_manifest_says_where_the_table_lies_and_how_labels_are_ordered(manifest, tmp_path):
    split = read_split(manifest(class_names=["yellow dog", "cat"]), tmp_path)
    assert split.class_names == ["yellow dog", "cat"]
    assert split.train == [Item("a/1.jpg", 0), Item("b/2.jpg", 1)]


def test_another_table_may_be_named(manifest, tmp_path):
    (tmp_path / "other.csv").write_text("path,label,split\nx.jpg,ant,train\n")
    assert read_split(manifest(), tmp_path, tmp_path / "other.csv").class_names == ["ant"]


def test_a_missing_table_of_the_manifest_is_an_error_with_the_option(manifest, tmp_path):
    made = manifest(source="https://example.org")
    (tmp_path / "birds" / "birds.csv").unlink()
    with pytest.raises(ManifestError, match=r"No split file .*birds\.csv' for birds\..*example\.org.*--split-file"):
        read_split(made, tmp_path)


def test_the_check_counts_a_table_and_misses_its_images(manifest, tmp_path):
    checked = check_dataset(manifest(counts={"classes": 2, "train": 3, "val": 1, "test": 1}), tmp_path)
    assert checked.faults[:2] == ["train: 2 in the files, 3 in the manifest", "class 'cat' has no test image"]
    assert sum(fault.startswith("No image") for fault in checked.faults) == 4
