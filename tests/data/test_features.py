import errno
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from aape_lightning import shards
from aape_lightning.backbones import load_backbone
from aape_lightning.data import FeatureStore, Views, encoding, features, load_manifest, read_split
from aape_lightning.data.degrade import degrade
from aape_lightning.data.images import file_size, image_opener
from aape_lightning.data.transforms import augmentation, seeded
from aape_lightning.errors import DataError, ImageError

CPU = torch.device("cpu")
VIEWS = [Views(), Views("augmented", 3, seed=2)]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Four images through the tower at once, and four a shard: the toy's 30 images are many."""
    monkeypatch.setattr(features, "_PER_SHARD", 4)
    monkeypatch.setattr(shards, "_PAGE", 128)
    monkeypatch.setattr(encoding, "_IMAGES_PER_PASS", 4)


@pytest.fixture
def encoded(tiny_backbone, monkeypatch):
    """The number of images in each call of the backbone's image tower."""
    counts, encode = [], tiny_backbone.encode_image

    def counting(images):
        counts.append(len(images))
        return encode(images)

    monkeypatch.setattr(tiny_backbone, "encode_image", counting)
    return counts


@pytest.fixture
def store(toy_root, tiny_backbone, tmp_path):
    """Makes a store over the toy's training images; keywords change it."""

    def make(root=toy_root, backbone=tiny_backbone, views=VIEWS[0], folder=tmp_path / "stores", **changes):
        manifest = load_manifest(str(root / "toy.yaml"))
        settings = {
            "paths": [item.path for item in read_split(manifest, root).train],
            "opener": image_opener(manifest, root),
            "file_size": file_size(manifest, root),
        }
        return FeatureStore(folder, backbone, views=views, **settings | changes)

    return make


def interrupted(made, row):
    """The store, whose images end in an interrupt at a row."""
    whole = made.opener

    def opener(path):
        if path == made.paths[row]:
            raise KeyboardInterrupt
        return whole(path)

    made.opener = opener
    with pytest.raises(KeyboardInterrupt):
        made.build(CPU, 0)
    made.opener = whole
    return made


def files(made):
    return {path.name: path.read_bytes() for path in made.folder.iterdir()}


def damage(root, path):
    """Cuts an image of the toy in half; returns its place."""
    image = root / "toy" / "images" / path
    image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    return image


@pytest.mark.parametrize("views", VIEWS)
def test_values_are_the_backbones_on_each_view(views, store, tiny_backbone):
    made = store(views=views)
    made.build(CPU, 0)
    opened, transform = made.open(), augmentation(tiny_backbone)
    assert (opened.shape, opened.dtype) == ((30, views.count, 32), torch.float32)
    for row, path in enumerate(made.paths):
        image = made.opener(path)
        if views.kind == "centre":
            expected = [tiny_backbone.transform(image)]
        else:
            expected = [seeded(transform, image, f"{path} {view} 2") for view in range(3)]
        torch.testing.assert_close(opened[row], tiny_backbone.encode_image(torch.stack(expected)))


def test_views_of_an_image_differ(store):
    made = store(views=VIEWS[1])
    made.build(CPU, 0)
    opened = made.open()
    assert (opened[:, 0] - opened[:, 1]).norm(dim=-1).min() > 1e-3


def test_workers_do_not_change_a_byte(store, tmp_path):
    alone, helped = store(views=VIEWS[1]), store(views=VIEWS[1], folder=tmp_path / "helped")
    alone.build(CPU, 0)
    helped.build(CPU, 2)
    assert files(helped) == files(alone)


def test_a_store_is_built_once(store, encoded):
    for _ in range(3):
        store().build(CPU, 0)
    assert sum(encoded) == 30


def test_a_store_says_what_it_was_made_from(store, tiny_backbone):
    made = store(views=VIEWS[1])
    assert not made.is_built
    made.build(CPU, 0)
    assert made.is_built
    description = json.loads((made.folder / "store.json").read_text())
    assert description == made.description | made.told
    assert description["backbone_name"] == tiny_backbone.name
    assert description["backbone"] == tiny_backbone.fingerprint
    assert description["views"] == {"kind": "augmented", "count": 3, "seed": 2, "degradation": "none"}
    assert description["output"] == "embedding"
    assert description["shape"] == [30, 3, 32]


def test_tokens_are_stored_at_half_precision(store, tiny_backbone):
    made = store(output="tokens")
    made.build(CPU, 0)
    stored = made.open()
    assert stored.dtype == torch.float16
    assert stored.shape == (30, 1, *tiny_backbone.image_token_shape)
    images = torch.stack([tiny_backbone.transform(made.opener(path)) for path in made.paths])
    torch.testing.assert_close(stored[:, 0].float(), tiny_backbone.image_tokens(images), atol=1e-2, rtol=1e-2)


def test_a_tower_at_half_precision_fills_a_store_of_its_own_in_single_precision(store):
    exact, half = store(), store(precision="bfloat16")
    for made in (exact, half):
        made.build(CPU, 0)
    assert half.open().dtype == torch.float32
    assert not torch.equal(half.open(), exact.open())
    torch.testing.assert_close(half.open(), exact.open(), atol=2e-2, rtol=0)


def test_degraded_images_are_what_is_stored(store, tiny_backbone):
    made = store(views=Views(degradation="occlusion"))
    made.build(CPU, 0)
    worse = [degrade(made.opener(path), "occlusion", path) for path in made.paths]
    images = torch.stack([tiny_backbone.transform(image) for image in worse])
    torch.testing.assert_close(made.open()[:, 0], tiny_backbone.encode_image(images), atol=1e-5, rtol=0)


def test_the_key_depends_on_everything_that_the_numbers_depend_on(store, other_clip, own_toy_root):
    paths = store().paths
    stores = [
        store(),
        store(backbone=load_backbone(str(other_clip))),
        store(views=Views("augmented", 1)),
        store(views=Views("augmented", 2)),
        store(views=Views("augmented", 2, seed=1)),
        store(views=Views(degradation="blur")),
        store(output="tokens"),
        store(precision="bfloat16"),
        store(precision="float16"),
        store(paths=paths[:-1]),
        store(paths=paths[::-1]),
    ]
    image = own_toy_root / "toy" / "images" / paths[0]
    image.write_bytes(image.read_bytes() + b"\0")
    stores.append(store(root=own_toy_root))
    assert len({made.folder for made in stores}) == len(stores)
    assert store().folder == store(precision="float32").folder == stores[0].folder


def test_the_key_depends_on_nothing_else(store, own_toy_root, tiny_clip, tmp_path):
    copy = tmp_path / "copy.pt"
    copy.write_bytes(tiny_clip.read_bytes())
    for image in (own_toy_root / "toy" / "images").rglob("*.png"):
        os.utime(image, (1, 1))  # a copy of a dataset has other times
    assert store(root=own_toy_root, backbone=load_backbone(str(copy))).folder == store().folder


def test_another_version_of_the_transforms_has_another_store(store, monkeypatch):
    before = store().folder
    monkeypatch.setattr(features, "TRANSFORM_VERSION", features.TRANSFORM_VERSION + 1)
    assert store().folder != before


@pytest.mark.parametrize(
    ("kind", "count", "legal"), [("centre", 2, "1"), ("centre", 0, "1"), ("augmented", 0, "1 or more")]
)
def test_a_number_of_views_that_cannot_be_is_an_error_that_says_what_may(kind, count, legal):
    with pytest.raises(DataError, match=rf"^{count} {kind} views an image were asked for; it must be {legal}\."):
        Views(kind, count)


@pytest.mark.parametrize("views", VIEWS)
def test_an_interrupted_build_goes_on_where_it_was_and_ends_byte_identical(views, store, encoded, tmp_path):
    whole = store(views=views, folder=tmp_path / "whole")
    whole.build(CPU, 0)
    assert sum(encoded) == 30 * views.count
    encoded.clear()
    made = interrupted(store(views=views), row=17)
    assert not made.is_built
    assert sum(encoded) == (16 if views.count == 1 else 17) * views.count
    again = store(views=views)
    again.build(CPU, 0)
    assert sum(encoded) <= 31 * views.count  # nothing twice but what was done since the last note of progress
    assert files(again) == files(whole)


def test_finished_rows_are_neither_encoded_nor_opened_again(store, encoded):
    interrupted(store(), row=17)
    encoded.clear()
    again, opened = store(), []
    again.opener = lambda path, whole=again.opener: opened.append(path) or whole(path)
    again.build(CPU, 0)
    assert opened == again.paths[16:]
    assert sum(encoded) == 14


def test_two_interruptions_are_no_worse_than_one(store, tmp_path):
    whole = store(folder=tmp_path / "whole")
    whole.build(CPU, 0)
    for row in (0, 9, 9, 22):
        interrupted(store(), row)
    again = store()
    again.build(CPU, 0)
    assert files(again) == files(whole)


def test_rows_after_the_last_note_of_progress_are_not_trusted(store, tmp_path):
    whole = store(folder=tmp_path / "whole")
    whole.build(CPU, 0)
    interrupted(store(), row=17)
    [partial] = (tmp_path / "stores").glob("*.partial")
    np.load(partial / "embeddings.npy", mmap_mode="r+")[16:] = 7
    again = store()
    again.build(CPU, 0)
    assert files(again) == files(whole)


KILLED_BUILD = """
import sys, time
from pathlib import Path
import torch
from aape_lightning.backbones import load_backbone
from aape_lightning import shards
from aape_lightning.data import FeatureStore, Views, encoding, features, load_manifest, read_split
from aape_lightning.data.degrade import degrade
from aape_lightning.data.images import file_size, image_opener
features._PER_SHARD = encoding._IMAGES_PER_PASS = 4
shards._PAGE = 128
root, manifest = Path(sys.argv[1]), load_manifest(sys.argv[1] + "/toy.yaml")
whole, seen = image_opener(manifest, root), []
def opener(path):
    seen.append(path)
    if len(seen) == 14:
        print("far", flush=True)
        time.sleep(600)
    return whole(path)
paths = [item.path for item in read_split(manifest, root).train]
store = FeatureStore(Path(sys.argv[3]), load_backbone(sys.argv[2]), paths, opener, file_size(manifest, root), Views())
store.build(torch.device("cpu"), 0)
"""


def test_a_killed_process_leaves_its_rows_and_no_lock(store, encoded, toy_root, tiny_clip, tmp_path):
    whole = store(folder=tmp_path / "whole")
    whole.build(CPU, 0)
    encoded.clear()
    command = [sys.executable, "-c", KILLED_BUILD, str(toy_root), str(tiny_clip), str(tmp_path / "stores")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        said = process.stdout.readline()
        process.kill()
    assert said == "far\n"
    again = store()
    assert not again.is_built
    again.build(CPU, 0)
    assert sum(encoded) == 30 - 12
    assert files(again) == files(whole)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_truncated_image_is_an_error_that_names_it_and_leaves_no_whole_store(workers, store, own_toy_root, encoded):
    made = store(root=own_toy_root)
    image = damage(own_toy_root, made.paths[17])
    made = store(root=own_toy_root)
    with pytest.raises(ImageError, match=f"^{re.escape(repr(str(image)))} cannot be decoded") as caught:
        made.build(CPU, workers)
    assert "Traceback" not in str(caught.value)
    assert not made.is_built
    assert not made.folder.exists()
    encoded.clear()
    with pytest.raises(ImageError):
        store(root=own_toy_root).build(CPU, 0)
    assert sum(encoded) == 0  # what was computed before is kept


def test_an_image_that_vanishes_during_the_build_is_an_error_that_names_it(store, own_toy_root):
    made = store(root=own_toy_root)
    image = own_toy_root / "toy" / "images" / made.paths[5]
    image.unlink()
    with pytest.raises(ImageError, match=f"No image {re.escape(repr(str(image)))}"):
        made.build(CPU, 0)
    assert not made.is_built


def test_a_missing_image_is_known_before_any_is_encoded(store, own_toy_root):
    paths = store().paths
    (own_toy_root / "toy" / "images" / paths[29]).unlink()
    with pytest.raises(ImageError, match=re.escape(paths[29])):
        store(root=own_toy_root)


def test_a_mended_image_lets_the_build_go_on(store, own_toy_root, toy_root, tmp_path):
    made = store(root=own_toy_root)
    image = own_toy_root / "toy" / "images" / made.paths[17]
    content = image.read_bytes()
    image.write_bytes(b"\0" * len(content))  # of the same size: the same store
    with pytest.raises(ImageError):
        store(root=own_toy_root).build(CPU, 0)
    image.write_bytes(content)
    made.build(CPU, 0)
    whole = store(folder=tmp_path / "whole")
    whole.build(CPU, 0)
    assert files(made) == files(whole)


def test_what_is_opened_cannot_alter_the_file(store):
    made = store()
    made.build(CPU, 0)
    before = files(made)
    opened = made.open()
    expected = opened.clone()
    opened.zero_()
    assert files(made) == before
    assert torch.equal(made.open(), expected)


def test_a_damaged_store_is_an_error_that_says_what_to_do(store):
    made = store()
    with pytest.raises(DataError, match=re.escape(str(made.folder))):
        made.open()
    made.build(CPU, 0)
    path = made.folder / "embeddings.npy"
    for content in (path.read_bytes()[:-100], b"", b"not an array"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"{re.escape(str(made.folder))}.*aape cache"):
            made.open()


def test_builders_that_start_together_build_once(store, encoded):
    def build(_):
        made = store()
        made.build(CPU, 0)
        return made.open()

    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(build, range(4)))
    assert sum(encoded) == 30
    assert all(torch.equal(one, opened[0]) for one in opened)


def test_a_second_builder_takes_over_from_one_that_fails(store, encoded):
    first = store()
    whole, asked = first.opener, []

    def opener(path):
        asked.append(path)
        if len(asked) == 10:
            time.sleep(0.3)  # the second asks meanwhile
            raise KeyboardInterrupt
        return whole(path)

    first.opener = opener
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first.build, CPU, 0)
        while len(asked) < 10:
            time.sleep(0.01)
        pool.submit(store().build, CPU, 0).result()
        assert isinstance(one.exception(), KeyboardInterrupt)
    assert store().is_built
    assert sum(encoded) == 30


# ---- built by many ---------------------------------------------------------------------------------------------------


def noting(made, log, pause=0.02, stop=None):
    """The store, whose encoder notes in a file how many images it is given, and whose opener waits at row `stop`."""
    encode, opener = made.encode, made.opener

    def noted(images):
        with log.open("a") as file:
            file.write(f"{len(images)}\n")
        time.sleep(pause)
        return encode(images)

    def waiting(path):
        if stop is not None and path == made.paths[stop]:
            time.sleep(600)
        return opener(path)

    made.encode, made.opener = noted, waiting
    return made


def images_encoded(log):
    return sum(map(int, log.read_text().split())) if log.is_file() else 0


def forked(target):
    process = multiprocessing.get_context("fork").Process(target=target)
    process.start()
    return process


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("views", VIEWS)
def test_processes_that_start_together_encode_each_image_once(count, views, store, tmp_path):
    alone = store(views=views, folder=tmp_path / "alone")
    alone.build(CPU, 0)
    log, barrier = tmp_path / "log", multiprocessing.get_context("fork").Barrier(count)

    def work():
        made = noting(store(views=views), log)
        barrier.wait()
        made.build(CPU, 0)
        assert torch.equal(made.open(), alone.open())

    processes = [forked(work) for _ in range(count)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * count
    assert images_encoded(log) == 30 * views.count
    assert files(store(views=views)) == files(alone)
    assert {path.suffix for path in (tmp_path / "stores").iterdir()} == {"", ".lock"}  # nothing is left beside it


def test_when_one_of_two_builders_is_killed_the_other_finishes(store, tmp_path):
    alone, log = store(folder=tmp_path / "alone"), tmp_path / "log"
    alone.build(CPU, 0)
    killed = forked(lambda: noting(store(), log, stop=9).build(CPU, 0))
    while images_encoded(log) < 8:
        time.sleep(0.01)
    other = forked(lambda: noting(store(), log).build(CPU, 0))
    while images_encoded(log) < 26:  # all but the shard that is held
        time.sleep(0.01)
    time.sleep(0.3)
    assert other.is_alive()
    killed.kill()
    other.join()
    assert other.exitcode == 0
    assert images_encoded(log) == 30
    assert files(store()) == files(alone)


@pytest.fixture
def late_to_know(store):
    """Makes a store of a machine that goes on hearing from memory that no other has built it."""

    class Late(FeatureStore):
        is_built = property(lambda self: False)

    def make():
        made = store()
        made.__class__ = Late
        return made

    return make


def test_who_is_late_to_know_leaves_a_whole_store_alone(late_to_know, store, encoded):
    store().build(CPU, 0)
    before = files(store())
    encoded.clear()
    late_to_know().build(CPU, 0)
    assert encoded == []
    assert files(store()) == before


@pytest.mark.parametrize("waits", [False, True])
def test_who_is_late_to_know_leaves_a_store_alone_that_another_has_finished(
    waits, late_to_know, store, encoded, tmp_path, monkeypatch
):
    """The other ends while this one waits, or just when it has seen the last row done."""

    class Overtaken(shards.ShardedArray):
        def fill(self, *arguments, **options):
            with monkeypatch.context() as other:
                other.setattr(features, "ShardedArray", shards.ShardedArray)
                store().build(CPU, 0)
            if waits:
                super().fill(*arguments, **options)

    whole = store(folder=tmp_path / "whole")
    whole.build(CPU, 0)
    encoded.clear()
    monkeypatch.setattr(features, "ShardedArray", Overtaken)
    late_to_know().build(CPU, 0)
    assert sum(encoded) == 30
    assert files(store()) == files(whole)
    assert {path.suffix for path in (tmp_path / "stores").iterdir()} == {"", ".lock"}


@pytest.mark.parametrize("all_of_it", [False, True])
def test_what_is_not_whole_never_becomes_a_store(all_of_it, store, tmp_path, monkeypatch):
    """A user who empties the cache during a build is told; rows that are not there are not renamed into a store."""

    def removed(array, *arguments, **options):
        shutil.rmtree(array.path.parent if all_of_it else array.notes, ignore_errors=True)

    with monkeypatch.context() as patched:
        patched.setattr(shards.ShardedArray, "fill", removed)
        with pytest.raises(DataError, match=r"\.partial' was removed during the build.*aape cache"):
            store().build(CPU, 0)
    assert not store().folder.exists()
    store().build(CPU, 0)
    assert store().is_built


def test_a_full_disk_is_an_error_that_names_the_folder_and_the_remedy(store, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    made = store()
    with pytest.raises(DataError, match=rf"{re.escape(str(made.folder))}.*no room.*--data\.cache_dir"):
        made.build(CPU, 0)


def test_an_image_error_loses_the_shard_it_is_in_and_no_other(store, encoded, own_toy_root, monkeypatch):
    """With two images at once through the tower, two of the shard of four were encoded before the error."""
    monkeypatch.setattr(encoding, "_IMAGES_PER_PASS", 2)
    image = own_toy_root / "toy" / "images" / store().paths[6]
    content = image.read_bytes()
    image.write_bytes(b"\0" * len(content))
    with pytest.raises(ImageError):
        store(root=own_toy_root).build(CPU, 0)
    assert sum(encoded) == 6
    image.write_bytes(content)
    encoded.clear()
    store(root=own_toy_root).build(CPU, 0)
    assert sum(encoded) == 30 - 4


def test_a_half_built_store_of_an_earlier_version_is_begun_anew(store, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "_PAGE", 256)  # the head was of 128 bytes
    made = store()
    partial = made.folder.with_suffix(".partial")
    partial.mkdir(parents=True)
    np.lib.format.open_memmap(partial / "embeddings.npy", "w+", "float32", made.shape)[:] = 7
    (partial / "progress.json").write_text('{"rows": 16}')
    made.build(CPU, 0)
    whole = store(folder=tmp_path / "whole")
    whole.build(CPU, 0)
    assert files(made) == files(whole)


def test_a_store_of_an_earlier_version_is_read(store, encoded):
    """Its array file has a shorter head; its key and all else are the same."""
    made, numbers = store(), np.random.default_rng(0).random((30, 1, 32), np.float32)
    made.folder.mkdir(parents=True)
    np.save(made.folder / "embeddings.npy", numbers)
    (made.folder / "store.json").write_text(json.dumps(made.description))
    made.build(CPU, 0)
    assert encoded == []
    assert np.array_equal(made.open().numpy(), numbers)


def test_a_kill_right_after_the_end_leaves_nothing_behind(store):
    made = store()
    made.build(CPU, 0)
    before = files(made)
    (made.folder / "shards").mkdir()
    (made.folder / "shards" / "0000000000-0000000004.done").write_text("done")
    store().build(CPU, 0)
    assert files(made) == before


def test_a_whole_store_is_opened_where_nothing_can_be_written(store, monkeypatch):
    made = store()
    made.build(CPU, 0)
    monkeypatch.setattr(features, "locked", None)
    monkeypatch.setattr(features, "has_locks", None)
    made.build(CPU, 0)


@pytest.mark.parametrize(
    "paths", [[], ["a"], ["b/1.jpg", "b/été 2.jpg", 'quote".png', "back\\slash", "tab\t", "\udce9"]]
)
def test_the_hash_of_the_files_is_that_of_their_json(paths):
    """Pinned: stores that are on disk are known by it."""
    whole = json.dumps([[path, len(path)] for path in paths])
    assert features._files_hash(paths, len) == hashlib.sha256(whole.encode()).hexdigest()


def test_the_key_of_a_known_store(store, tiny_backbone, monkeypatch):
    """Pinned: what users have built is found again."""
    monkeypatch.setattr(tiny_backbone, "fingerprint", "f" * 64)
    monkeypatch.setattr(features, "TRANSFORM_VERSION", 1)
    made = store(paths=["a.jpg", "b.jpg"], file_size=len, views=Views("augmented", 2, seed=3))
    assert made.folder.name == "e37c39169dabb66534e91fc7"
