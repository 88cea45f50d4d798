import re

import pytest
from aape_lightning.errors import DataError, ManifestError
from aape_lightning.formats import read_rows


@pytest.fixture
def table(tmp_path):
    """Writes a table of this content."""

    def write(content):
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_rows_come_in_order_with_their_places(table):
    path = table("a,b\n1,2\n3,\n")
    assert read_rows(path, ["a"]) == [
        (f"{str(path)!r}, row 2", {"a": "1", "b": "2"}),
        (f"{str(path)!r}, row 3", {"a": "3", "b": ""}),
    ]


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_byte_order_marks_and_line_ends_of_windows_leave_no_trace(start, end, table):
    path = table(f'{start}a,b{end}"x, ""y""",\u00e9 \u6811{end}')
    assert [row for _, row in read_rows(path, ["a", "b"])] == [{"a": 'x, "y"', "b": "\u00e9 \u6811"}]


def test_cells_are_left_as_they_are(table):
    assert read_rows(table("a,b\n x ,1\n"), ["a"])[0][1] == {"a": " x ", "b": "1"}


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("b,c\n1,2\n", ManifestError, "has no column 'a'; its columns are 'b', 'c'"),
        ("captions,A\n1,2\n", ManifestError, "has no column 'a'"),
        ("a,b\n", DataError, "has no row beneath its header"),
        ("", ManifestError, "has no column 'a'"),
        ("b,a\n1\n", DataError, "row 2: the row lacks cells"),
        ("a,b\n1,2\n1,2,3\n", DataError, "row 3: there are more cells than columns; put texts with commas in double"),
        (b"a,b\n\xff,2\n", DataError, "cannot be read as a UTF-8 CSV file"),
        ('a,b\n"1" x,2\n', DataError, "cannot be read as a UTF-8 CSV file"),
        ('a,b\n"1,2\n', DataError, "cannot be read as a UTF-8 CSV file"),
        (f"a,b\n{'x' * 200_000},2\n", DataError, "cannot be read as a UTF-8 CSV file: field larger"),
    ],
)
def test_a_fault_is_an_error_that_names_the_file(content, error, message, table):
    path = table(content)
    with pytest.raises(error, match=f"{re.escape(repr(str(path)))}.*{message}"):
        read_rows(path, ["a"])


def test_the_closest_column_is_named(table):
    with pytest.raises(ManifestError, match=r"no column 'caption'; .* Did you mean 'captions'\?"):
        read_rows(table("image,captions\n1,2\n"), ["image", "caption"])


def test_a_missing_file_and_a_folder_are_no_tables(tmp_path):
    for path in (tmp_path / "no.csv", tmp_path):
        with pytest.raises(ManifestError, match=f"No table {re.escape(repr(str(path)))}"):
            read_rows(path, ["a"])
