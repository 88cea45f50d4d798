"""`aape cache list` and `clear`: what is seen, what is removed, and what never is."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from aape_lightning.__main__ import main
from aape_lightning.commands.cache import clear
from aape_lightning.commands.cache.entries import entries_in
from aape_lightning.commands.cache.removal import is_in_use, remove
from aape_lightning.data.features import FeatureStore, Views
from aape_lightning.prompts import open_or_build_bank
from filelock import FileLock
from PIL import Image

CPU = torch.device("cpu")
DAY = 86400
HOLD = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def opened(path):
    return Image.new("RGB", (8, 8), (int(path), 0, 0))


def build_store(cache, backbone, count=3, views=None, **settings):
    names = [str(number) for number in range(count)]
    store = FeatureStore(
        cache / "features", backbone, names, opened, lambda path: 1, views or Views(), title="Toy", **settings
    )
    store.build(CPU, 0)
    return store


def age(path, days):
    """Let it have been used last so long ago."""
    moment = time.time() - days * DAY
    for place in [path, *path.rglob("*")] if path.is_dir() else [path]:
        os.utime(place, (moment, moment))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AAPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def filled(cache, tiny_backbone):
    """A cache with a store of features and a bank."""
    build_store(cache, tiny_backbone)
    sentences = {"cat": ["a cat.", "a small animal."], "dog": ["a dog."]}
    open_or_build_bank(tiny_backbone, sentences, cache / "banks", CPU)
    return cache


@pytest.fixture
def aape(capsys):
    """Runs `aape cache ...`: exit code, output, errors."""

    def run(*arguments):
        code = main(["cache", *map(str, arguments)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def kinds(cache):
    return [entry.kind for entry in entries_in(cache)]


# ---- list ----------------------------------------------------------------------------------------------------------


def test_an_empty_cache_says_what_fills_it(aape, cache):
    code, out, err = aape("list")
    assert (code, err) == (0, "")
    assert "aape cache build" in out


def test_each_entry_says_of_what_it_is(aape, filled, tiny_backbone):
    _, out, _ = aape("list", "--json")
    found = json.loads(out)
    store, bank = found["entries"]
    assert (store["kind"], store["state"], store["of"]) == ("features", "complete", "Toy")
    assert (store["holds"], store["backbone"]) == ("3 images", tiny_backbone.name)
    assert (bank["kind"], bank["holds"], bank["of"]) == ("banks", "3 sentences, 2 keys", "cat, ...")
    assert {entry["fingerprint"] for entry in found["entries"]} == {tiny_backbone.fingerprint}
    files = [path for path in filled.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert found["bytes"] == sum(path.stat().st_size for path in files)
    _, out, _ = aape("list")
    assert "Toy" in out
    assert "2 entries" in out


def test_views_and_precision_are_told(cache, tiny_backbone):
    build_store(cache, tiny_backbone, views=Views("augmented", 2), precision="bfloat16")
    (entry,) = entries_in(cache)
    assert (entry.holds, entry.precision) == ("3 images × 2 views", "bfloat16")


def test_a_store_of_before_is_named_by_its_backbones_fingerprint(filled, tiny_backbone):
    (path,) = filled.glob("features/*/store.json")
    told = json.loads(path.read_text())
    del told["title"], told["backbone_name"]
    path.write_text(json.dumps(told))
    entry = entries_in(filled)[0]
    assert (entry.of, entry.backbone) == ("", tiny_backbone.name)  # the bank beside it knows the name


def test_looking_is_no_use(filled):
    """Where files keep the time of their last reading."""
    for path in (filled / "features", filled / "banks"):
        age(path, 40)
    before = [entry.last_used for entry in entries_in(filled)]
    assert [entry.last_used for entry in entries_in(filled)] == before
    assert all(time.time() - used > 39 * DAY for used in before)


def test_what_a_kill_leaves_is_partial_with_what_is_done(cache):
    partial = cache / "features" / f"{'a' * 24}.partial"
    (partial / "shards").mkdir(parents=True)
    np.save(partial / "embeddings.npy", np.zeros((10, 1, 4), "float32"))
    (partial / "shards" / "0000000000-0000000004.done").write_text("done")
    (partial / "shards" / "0000000004-0000000008.done").write_text("")
    (cache / "banks").mkdir()
    left = cache / "banks" / f".{'b' * 24}.safetensors.x1y2"
    left.write_bytes(b"half")
    features, bank = entries_in(cache)
    assert (features.state, features.holds) == ("partial", "4 of 10 images")
    assert (bank.state, bank.bytes) == ("left behind", 4)


@pytest.mark.parametrize(
    "content", [b"", b"no such file", (2**40).to_bytes(8, "little") + b"{}", b"\2" + b"\0" * 7 + b"[]"]
)
def test_a_damaged_file_is_told_as_one(content, cache, aape):
    (cache / "banks").mkdir(parents=True)
    (cache / "banks" / f"{'c' * 24}.safetensors").write_bytes(content)
    assert [entry.state for entry in entries_in(cache)] == ["damaged"]
    code, out, _ = aape("list")
    assert code == 0
    assert "(damaged)" in out


def bank_bytes(header, keys=b'["cat"]'):
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(content).to_bytes(8, "little") + content + keys


SOUND = {"keys": {"data_offsets": [0, 7]}, "embeddings": {"shape": [3, 32]}}


@pytest.mark.parametrize(
    "content",
    [
        bank_bytes(SOUND | {"keys": {"data_offsets": [0, 10**15]}}),
        bank_bytes(SOUND | {"keys": {"data_offsets": [-7, 0]}}),
        bank_bytes(SOUND | {"keys": {"data_offsets": ["0", "7"]}}),
        bank_bytes(SOUND | {"keys": {"data_offsets": 7}}),
        bank_bytes(SOUND | {"keys": []}),
        bank_bytes(SOUND | {"embeddings": {"shape": ["3", 32]}}),
        bank_bytes(SOUND | {"embeddings": {"shape": [float("nan"), 32]}}),
        bank_bytes(SOUND, b"1234567"),
        bank_bytes(b"[" * 100_000),
    ],
)
def test_a_bank_whose_header_lies_is_told_as_damaged(content, cache):
    (cache / "banks").mkdir(parents=True)
    path = cache / "banks" / f"{'c' * 24}.safetensors"
    path.write_bytes(content)
    assert [entry.state for entry in entries_in(cache)] == ["damaged"]
    path.write_bytes(bank_bytes(SOUND | {"__metadata__": {"backbone": 5}}))
    assert [(entry.state, entry.of, entry.fingerprint) for entry in entries_in(cache)] == [("complete", "cat", "")]


@pytest.mark.parametrize("told", [b"[" * 100_000, b"{", b"\xff", b'{"views": {"count": [1]}}'])
@pytest.mark.parametrize("array", [b"", b"\x93NUMPY\x01\0\xff\xff{", b"\x93NUMPY\x01\0\x02\0[]", b"\x93NUMPY\x09\0"])
def test_a_store_whose_files_lie_is_listed_all_the_same(told, array, cache, aape):
    folder = cache / "features" / ("d" * 24)
    folder.mkdir(parents=True)
    (folder / "store.json").write_bytes(told)
    (folder / "embeddings.npy").write_bytes(array)
    code, out, _ = aape("list")
    assert code == 0
    assert "(damaged)" in out


# ---- clear ---------------------------------------------------------------------------------------------------------


def test_without_a_terminal_nothing_goes_unless_it_is_said(aape, filled):
    code, _, err = aape("clear")
    assert code == 1
    assert "--yes" in err
    assert kinds(filled) == ["features", "banks"]


def test_a_dry_run_tells_and_removes_nothing(aape, filled):
    code, out, _ = aape("clear", "--dry-run")
    assert code == 0
    assert "2 entries (1 of features, 1 of banks;" in out
    assert kinds(filled) == ["features", "banks"]


@pytest.mark.parametrize(
    ("answer", "left"), [("y", []), ("yes", []), ("n", ["features", "banks"]), ("", ["features", "banks"])]
)
def test_on_a_terminal_it_asks(answer, left, aape, filled, monkeypatch):
    monkeypatch.setattr(clear.sys.stdin, "isatty", lambda: True)
    asked = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or answer)
    code, _, _ = aape("clear")
    assert code == 0
    assert "Remove 2 entries" in asked[0]
    assert kinds(filled) == left


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ([], []),
        (["--kind", "features"], ["banks"]),
        (["--kind", "features", "--kind", "banks"], []),
        (["--older-than", "30d"], ["banks"]),
        (["--older-than", "8w"], ["features", "banks"]),
        (["--older-than", "30d", "--kind", "banks"], ["features", "banks"]),
    ],
)
def test_what_is_chosen_goes(options, left, aape, filled):
    age(filled / "features", 40)
    code, out, _ = aape("clear", "--yes", *options)
    assert code == 0
    assert kinds(filled) == left
    assert out.startswith("Removed: " if len(left) < 2 else "Nothing in ")


def test_by_backbone(aape, filled, tiny_backbone):
    code, _, err = aape("clear", "--yes", "--backbone", f"{tiny_backbone.name}x")
    assert code == 1
    assert f"Did you mean {tiny_backbone.name!r}?" in err
    assert aape("clear", "--yes", "--kind", "banks", "--backbone", tiny_backbone.name)[0] == 0
    assert aape("clear", "--yes", "--backbone", tiny_backbone.fingerprint[:12])[0] == 0
    assert kinds(filled) == []


def test_what_is_removed_is_built_again(filled, tiny_backbone, aape):
    aape("clear", "--yes")
    before = build_store(filled, tiny_backbone).open()
    assert before.shape == (3, 1, 32)


@pytest.mark.parametrize("text", ["30", "d", "many days", "3y", "-5d", "nand", ""])
def test_what_is_no_time(text, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["cache", "clear", f"--older-than={text}"])
    assert "is no time such as 45m, 12h, 30d or 8w" in capsys.readouterr().err


# ---- what stays ----------------------------------------------------------------------------------------------------


def test_nothing_else_in_the_folder_is_touched(aape, filled):
    mine = [filled / "notes.txt", filled / "features" / "mine.npy", filled / "banks" / "own.safetensors"]
    for path in mine:
        path.write_text("mine")
    (filled / "features" / "folder").mkdir()
    aape("clear", "--yes")
    assert all(path.read_text() == "mine" for path in mine)
    assert (filled / "features" / "folder").is_dir()


def test_no_symbolic_link_is_followed(aape, cache, tmp_path, tiny_backbone):
    elsewhere = tmp_path / "elsewhere"
    build_store(elsewhere, tiny_backbone)
    open_or_build_bank(tiny_backbone, {"cat": ["a cat."]}, elsewhere / "banks", CPU)
    cache.mkdir()
    (cache / "features").symlink_to(elsewhere / "features")
    (cache / "banks").mkdir()
    (bank,) = elsewhere.glob("banks/*.safetensors")
    (cache / "banks" / bank.name).symlink_to(bank)
    (cache / "banks" / ("d" * 24 + ".partial")).symlink_to(elsewhere)
    assert entries_in(cache) == []
    aape("clear", "--yes")
    assert kinds(elsewhere) == ["features", "banks"]


def held(path):
    """A process that holds a lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("which", ["its own", "a shard's"])
def test_what_another_process_builds_stays(which, aape, cache):
    partial = cache / "features" / f"{'a' * 24}.partial"
    (partial / "shards").mkdir(parents=True)
    np.save(partial / "embeddings.npy", np.zeros((10, 1, 4), "float32"))
    lock = cache / "features" / f"{'a' * 24}.lock" if which == "its own" else partial / "shards" / "0-4.lock"
    age(partial, 40)
    process = held(lock)
    try:
        age(partial, 40)
        code, out, err = aape("clear", "--yes")
        assert (code, "Removed: 0 of 1" in out, "In use, and left: 1." in err) == (0, True, True)
        assert "(building)" in aape("list")[1]
    finally:
        process.kill()
        process.wait()
    assert not is_in_use(entries_in(cache)[0])
    assert "Removed: 1 of 1" in aape("clear", "--yes")[1]


def test_a_build_that_takes_no_lock_at_the_moment_stays(cache):
    partial = cache / "features" / f"{'a' * 24}.partial"
    partial.mkdir(parents=True)
    np.save(partial / "embeddings.npy", np.zeros((10, 1, 4), "float32"))
    (entry,) = entries_in(cache)
    assert not remove(entry)
    age(partial, 1)
    assert remove(entry)


def test_no_build_begins_while_something_is_removed(filled, monkeypatch):
    entry = entries_in(filled)[0]
    seen = []

    def removing(path):
        seen.append(FileLock(entry.lock).is_locked)
        taken = subprocess.run(
            [sys.executable, "-c", f"import filelock\nfilelock.FileLock({str(entry.lock)!r}).acquire(timeout=0.1)"],
            capture_output=True, check=False,
        )  # fmt: skip
        seen.append(taken.returncode)

    monkeypatch.setattr("shutil.rmtree", removing)
    assert remove(entry)
    assert seen[1] == 1


def test_a_folder_that_may_not_be_changed_is_told(aape, filled, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("shutil.rmtree", refuse)
    code, _, err = aape("clear", "--yes", "--kind", "features")
    assert code == 1
    assert "Permission denied" in err
