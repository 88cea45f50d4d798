import re

import pytest
from aape_lightning.errors import ManifestError
from aape_lightning.formats.yaml_content import parse_yaml

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]\n" for k in range(1, 30)
)


@pytest.fixture
def put(tmp_path):
    def write(content):
        path = tmp_path / "x.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LAUGHS, "its aliases stand for more than 200000 values"),
        ("a: &a [*a]\n", "a value holds itself"),
        ("[" * 5000, "nested too deeply"),
        ("- " * 5000, "nested too deeply"),
        ("a: 1\nb: 2\na: 3\n", "a key stands twice"),
        ("x: {a: 1, a: 1}\n", "a key stands twice"),
        ('a: "\\ud800"\n', "surrogates not allowed"),
        ('a: "\\0"\n', "a text holds a zero byte"),
        (b"a: \xff\n", "'utf-8' codec"),
        ("a: 2001-99-99\n", "month must be in 1..12"),
        ("a: !!timestamp x\n", "is not YAML"),
        ("a: !!bool x\n", "is not YAML"),
        ("a: !!int x\n", "is not YAML"),
        ("a: !!python/name:os.system\n", "could not determine a constructor"),
        ("? [a]\n: 1\n", "unhashable key"),
        ("a: " + "9" * 5000 + "\n", "Exceeds the limit"),
        ("a: [" + "x," * 250_000 + "]\n", "it holds more than 200000 values"),
        (b"#" * 3_000_000, "has 3000000 bytes, and no more than 2097152 are read"),
    ],
)
def test_what_pyyaml_lets_through_is_refused_with_the_files_name(content, message, put):
    path = put(content)
    with pytest.raises(ManifestError, match=f"^Manifest {re.escape(repr(str(path)))} ") as caught:
        parse_yaml(path, ManifestError, "Manifest")
    assert message in str(caught.value)


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_small_aliases_merges_and_marks_of_windows_are_read(start, end, put):
    path = put(f"{start}base: &base {{a: 1, b: 2}}{end}x: {{<<: *base, b: 3}}{end}y: *base{end}")
    assert parse_yaml(path, ManifestError) == {"base": {"a": 1, "b": 2}, "x": {"a": 1, "b": 3}, "y": {"a": 1, "b": 2}}


def test_an_empty_file_is_none(put):
    assert parse_yaml(put(""), ManifestError) is None
