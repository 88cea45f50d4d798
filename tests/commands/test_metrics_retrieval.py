"""`aape metrics retrieval` as a user types it."""

import json
import re

import numpy as np
import pytest
import torch
from aape_lightning.__main__ import main
from aape_lightning.metrics import retrieval_scores
from safetensors.torch import save_file
from torch.nn import functional as F


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with 6 images and 2 captions each, not of unit norm; it is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    noise = np.random.default_rng(0)
    images = noise.normal(size=(6, 8)).astype(np.float32)
    captions = (np.repeat(images, 2, axis=0) + noise.normal(size=(12, 8))).astype(np.float32) * 3
    np.save("i.npy", images)
    np.save("c.npy", captions)
    return images, captions


@pytest.fixture
def retrieval(files, capsys):
    """Scores embeddings; returns exit code, standard output and standard error."""

    def run(*arguments, images="i.npy", captions="c.npy"):
        capsys.readouterr()
        code = main(["metrics", "retrieval", "--images", images, "--captions", captions, *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_a_table_and_json_at_full_precision(retrieval, files):
    code, out, err = retrieval("--out", "s.json")
    assert (code, err) == (0, "")
    assert out.startswith("Retrieval, 6 images and 12 captions\n")
    with open("s.json") as file:
        found = json.load(file)
    images, captions = (F.normalize(torch.from_numpy(table)) for table in files)
    assert found["scores"] == retrieval_scores(images, captions, torch.arange(6).repeat_interleave(2))
    assert (found["images"], found["captions"]) == (6, 12)
    recall, rank = (found["scores"][f"text_to_image/{name}"] for name in ("recall@1", "median_rank"))
    assert re.search(rf"text to image +{100 * recall:.2f} .* {rank:g} *\n", out)


def test_safetensors_and_owners_in_any_order(retrieval, files):
    order = np.random.default_rng(1).permutation(12)
    save_file({"captions": torch.from_numpy(files[1][order])}, "c.safetensors")
    owner = np.repeat(np.arange(6), 2)[order]
    np.save("o.npy", owner)
    with open("o.json", "w") as file:
        json.dump(owner.tolist(), file)
    expected = retrieval()
    for name in ("o.npy", "o.json"):
        assert retrieval("--owner", name, captions="c.safetensors") == expected


def changed(table, row, value):
    table = table.copy()
    table[row, 0] = value
    return table


def write_bad_files(images, captions):
    np.save("narrow.npy", captions[:, :7])
    np.save("eleven.npy", captions[:11])
    np.save("nan.npy", changed(captions, 3, np.nan))
    np.save("whole.npy", captions.astype(np.int64))
    np.save("flat.npy", captions[:, 0])
    np.save("backwards.npy", captions.astype(">f4"))
    np.save("wide.npy", captions.astype(np.longdouble))
    with open("endless.npy", "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**12, 512)}
        np.lib.format.write_array_header_1_0(file, header)
    with open("nested.json", "w") as file:
        file.write("[" * 100_000)
    np.save("pickled.npy", np.array([{}]), allow_pickle=True)
    np.save("few.npy", np.zeros(12, dtype=np.int64))
    np.save("shares.npy", np.zeros(12))
    save_file({"a": torch.ones(2, 2), "b": torch.ones(2, 2)}, "two.safetensors")
    for name in ("damaged.npy", "damaged.safetensors", "damaged.json", "text.csv"):
        with open(name, "w") as file:
            file.write("[1, [2]]" if name == "damaged.json" else "nothing")


@pytest.mark.parametrize(
    ("captions", "owner", "message"),
    [
        ("narrow.npy", None, "in 'i.npy' are 8 wide and those in 'narrow.npy' 7: they are not from one backbone."),
        ("eleven.npy", None, "11 captions cannot be equally many for each of 6 images: say whose each is with --owner"),
        ("nan.npy", None, "1 of 12 caption embeddings hold NaN"),
        ("whole.npy", None, "'whole.npy' must hold embeddings, one a row, as floating-point numbers of two axes, not "
         "int64 of the shape (12, 8)."),
        ("flat.npy", None, "not float32 of the shape (12,)."),
        ("pickled.npy", None, "'pickled.npy' is no array of numbers in NumPy's format"),
        ("wide.npy", None, "'wide.npy' must hold one array of numbers of at most 64 bits."),
        ("endless.npy", None, "'endless.npy' is no array of numbers in NumPy's format"),
        ("c.npy", "nested.json", "'nested.json' is not JSON that can be read: it is nested too deeply."),
        ("two.safetensors", None, "'two.safetensors' must hold one tensor, and holds 2: 'a', 'b'."),
        ("damaged.npy", None, "'damaged.npy' is no array of numbers in NumPy's format"),
        ("damaged.safetensors", None, "'damaged.safetensors' is no safetensors file"),
        ("text.csv", None, "'text.csv' must be a .npy or .safetensors file of embeddings."),
        ("no.npy", None, "No file 'no.npy' (--captions)."),
        ("c.npy", "no.npy", "No file 'no.npy' (--owner)."),
        ("c.npy", "few.npy", "5 of 6 images have no caption: rows '1', '2', '3', '4', '5'."),
        ("c.npy", "shares.npy", "must hold one row of whole numbers, from 0: the image of each caption; not float64"),
        ("c.npy", "text.csv", "'text.csv' (--owner) must be a .npy or .json file."),
        ("c.npy", "damaged.json", "'damaged.json' is no list of numbers in JSON"),
        ("c.npy", "backwards.npy", "must hold one row of whole numbers"),
    ],
)  # fmt: skip
def test_bad_files_are_one_line(retrieval, files, captions, owner, message):
    write_bad_files(*files)
    code, out, err = retrieval(*([] if owner is None else ["--owner", owner]), captions=captions)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("aape: error: ")
    assert message in err


def test_an_owner_too_few_is_an_error(retrieval):
    np.save("o.npy", np.arange(6))
    code, _, err = retrieval("--owner", "o.npy")
    assert code == 1
    assert err == "aape: error: 'o.npy' (--owner) says of 6 captions whose they are; there are 12.\n"
