import hashlib
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from aape_lightning.errors import BackboneMismatchError, CheckpointError, DataError, ImageError
from aape_lightning.search import Hit, QueryEncoder, SearchIndex, images_of
from aape_lightning.search import index as index_module
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn import functional as F


def random_index(rows, d=16, seed=0):
    embeddings = F.normalize(torch.randn(rows, d, generator=torch.Generator().manual_seed(seed)), dim=-1)
    return SearchIndex(embeddings, [f"{k}.png" for k in range(rows)], [f"number {k}" for k in range(rows)])


@pytest.fixture
def zero_shot(tiny_clip):
    return QueryEncoder.load(backbone=str(tiny_clip))


@pytest.fixture
def encoded(zero_shot, monkeypatch):
    """The number of images in each call of the image tower."""
    counts, encode = [], zero_shot.backbone.encode_image

    def counting(images):
        counts.append(len(images))
        return encode(images)

    monkeypatch.setattr(zero_shot.backbone, "encode_image", counting)
    return counts


# ---- searching -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "top"), [(1, 1), (40, 5), (257, 257), (300, 10)])
def test_nearest_equals_a_plain_argsort_whatever_the_blocks(rows, top, monkeypatch):
    monkeypatch.setattr(index_module, "_SCORES_AT_ONCE", 700)
    monkeypatch.setattr(index_module, "_ROWS_AT_ONCE", 64)
    index, queries = random_index(rows), random_index(23, seed=1).embeddings
    scores, found = index.nearest(queries, top)
    cosines = queries.numpy().astype(np.float64) @ index.embeddings.numpy().astype(np.float64).T
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :top]
    np.testing.assert_array_equal(found.numpy(), order)
    np.testing.assert_allclose(scores.numpy(), np.take_along_axis(cosines, order, axis=1), atol=1e-6)


def test_what_is_equal_stands_in_the_indexs_order_even_across_blocks(monkeypatch):
    monkeypatch.setattr(index_module, "_ROWS_AT_ONCE", 37)
    few = random_index(5, d=200)
    index = SearchIndex(few.embeddings.repeat(100, 1), few.images * 100, few.texts * 100)
    _, found = index.nearest(random_index(3, d=200, seed=1).embeddings, 500)
    for rows in found.split(1):
        groups = rows[0].view(5, 100)  # five different rows, a hundred times each
        assert torch.equal(groups, groups.sort(dim=1).values)
        assert all(len(set((group % 5).tolist())) == 1 for group in groups)


def test_search_names_what_it_finds_and_finds_itself_first():
    index = random_index(30)
    hits = index.search(index.embeddings[17], top=3)
    assert hits[0] == Hit(1, hits[0].score, "17.png", "number 17")
    assert hits[0].score == pytest.approx(1.0)
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_small_index_gives_all_that_it_has():
    assert len(random_index(3).search(random_index(1, seed=1).embeddings[0], top=10)) == 3


@pytest.mark.parametrize("top", [0, -2])
def test_less_than_one_result_is_refused(top):
    with pytest.raises(DataError, match=rf"number of results is {top}; it must be 1 or more \(--top\)"):
        random_index(3).search(random_index(1).embeddings[0], top)


def test_a_query_of_another_width_is_refused():
    with pytest.raises(BackboneMismatchError, match=r"query has width 8, and the index 16.*one QueryEncoder"):
        random_index(3).search(torch.ones(8) / 8**0.5)


# ---- making --------------------------------------------------------------------------------------------------------


def plainly(encoder, images):
    towers = encoder.backbone
    pixels = torch.stack([towers.transform(images.open(path)) for path in images.paths])
    return encoder.task(towers.encode_image(pixels)).detach()


def test_images_are_indexed_by_x_or_by_h(zero_shot, toy_run, toy_images, tmp_path):
    for encoder in (zero_shot, QueryEncoder.load(toy_run / "aape.ckpt")):
        index = SearchIndex.of_images(encoder, toy_images, tmp_path)
        torch.testing.assert_close(index.embeddings, plainly(encoder, toy_images), atol=1e-5, rtol=0)
        assert index.images == toy_images.paths
        assert index.texts == [captions[0] for captions in toy_images.said]
    assert len(list((tmp_path / "indices").glob("*.safetensors"))) == 2


def test_every_image_finds_itself_first(zero_shot, toy_run, toy_images, tmp_path):
    for encoder in (zero_shot, QueryEncoder.load(toy_run / "aape.ckpt")):
        index = SearchIndex.of_images(encoder, toy_images, tmp_path)
        for path in toy_images.paths:
            assert index.search(encoder.image(toy_images.open(path)), top=1)[0].image == path


def test_a_second_time_no_image_is_encoded_nor_opened(zero_shot, toy_images, tmp_path, encoded):
    first = SearchIndex.of_images(zero_shot, toy_images, tmp_path)
    assert sum(encoded) == 20
    shutil.rmtree(tmp_path / "features")
    second = SearchIndex.of_images(zero_shot, replace(toy_images, open=lambda path: pytest.fail(path)), tmp_path)
    assert sum(encoded) == 20
    assert torch.equal(first.embeddings, second.embeddings)
    assert (first.images, first.texts) == (second.images, second.texts)


def test_a_replaced_image_makes_another_index(zero_shot, own_toy_root, tmp_path, encoded):
    for _ in range(2):
        images = images_of(str(own_toy_root / "toy.yaml"), own_toy_root)
        SearchIndex.of_images(zero_shot, images, tmp_path)
        images.open(images.paths[0]).resize((9, 9)).save(own_toy_root / "toy" / "images" / images.paths[0])
    assert sum(encoded) == 40


def test_a_missing_image_is_named(zero_shot, own_toy_root, tmp_path):
    images = images_of(str(own_toy_root / "toy.yaml"), own_toy_root)
    os.remove(own_toy_root / "toy" / "images" / images.paths[3])
    with pytest.raises(ImageError, match=f"No image .*{images.paths[3]}"):
        SearchIndex.of_images(zero_shot, images, tmp_path)


def test_captions_are_indexed_each_with_its_image(zero_shot, toy_images, tmp_path):
    index = SearchIndex.of_captions(zero_shot, toy_images, tmp_path)
    pairs = zip(toy_images.paths, toy_images.said, strict=True)
    assert list(zip(index.images, index.texts, strict=True)) == [(path, text) for path, said in pairs for text in said]
    for row in (0, 7, -1):
        torch.testing.assert_close(index.embeddings[row], zero_shot.text(index.texts[row]), atol=1e-5, rtol=0)


def test_without_captions_there_is_none_to_find(zero_shot, toy_root, tmp_path):
    with pytest.raises(DataError, match=r"Toy, test \(20 images\) has no captions to find. Find images"):
        SearchIndex.of_captions(zero_shot, images_of(str(toy_root / "toy.yaml"), toy_root), tmp_path)


def test_the_shapes_world_is_found_by_the_names_of_its_classes(tmp_path):
    encoder = QueryEncoder.load(backbone="shapes-tiny")
    every = images_of("shapes", part="test")
    some = replace(every, paths=every.paths[::50], said=every.said[::50])
    index = SearchIndex.of_images(encoder, some, tmp_path)
    names = [name for (name,) in some.said]
    assert len(set(names)) == 40
    found = {name: [hit.text for hit in index.search(encoder.text(f"a {name}"), top=3)] for name in names}
    assert sum(name in texts for name, texts in found.items()) >= 30  # by chance 3


# ---- keeping -------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(zero_shot, tmp_path):
    index = random_index(6, d=32)
    path = tmp_path / "index.safetensors"
    SearchIndex(index.embeddings, ["é/树.png", *index.images[1:]], ["two\nlines", *index.texts[1:]]).save(
        path, zero_shot
    )
    return path


def test_an_index_survives_saving(saved, zero_shot):
    index = SearchIndex.open(saved, zero_shot, verify=True)
    assert torch.equal(index.embeddings, random_index(6, d=32).embeddings)
    assert index.images == ["é/树.png", "1.png", "2.png", "3.png", "4.png", "5.png"]
    assert index.texts[:2] == ["two\nlines", "number 1"]


def rewritten(path, tensors=None, metadata=None):
    with safe_open(path, "pt") as file:
        held = file.metadata()
    save_file(load_file(path) | (tensors or {}), path, held | (metadata or {}))


def test_other_embeddings_or_names_than_were_written_are_damage(saved, zero_shot):
    intact = saved.read_bytes()
    rewritten(saved, {"embeddings": random_index(6, d=32, seed=9).embeddings})
    SearchIndex.open(saved, zero_shot)
    with pytest.raises(DataError, match=r"is damaged: it does not hold what was written into it\. Remove it"):
        SearchIndex.open(saved, zero_shot, verify=True)
    saved.write_bytes(intact)
    names = json.dumps({"images": ["x.png"] * 6, "texts": [""] * 6}).encode()
    rewritten(saved, {"names": torch.frombuffer(bytearray(names), dtype=torch.uint8)})
    with pytest.raises(DataError, match="is damaged"):
        SearchIndex.open(saved, zero_shot)


SIX = [f"{k}.png" for k in range(6)]


@pytest.mark.parametrize(
    "names",
    [
        b"[", b"\xff", b"[" * 100_000, b"5", b"[]", b"{}", b'{"images": 6, "texts": 6}',
        json.dumps({"images": SIX, "texts": [5] * 6}).encode(), json.dumps({"images": SIX, "texts": []}).encode(),
        json.dumps({"images": SIX[:5], "texts": SIX[:5]}).encode(),
    ],
)  # fmt: skip
def test_names_that_are_none_are_refused(names, saved, zero_shot):
    packed = torch.frombuffer(bytearray(names), dtype=torch.uint8)
    rewritten(saved, {"names": packed}, {"names_hash": hashlib.sha256(names).hexdigest()})
    with pytest.raises(DataError, match=r"cannot be read as a search index .*Remove it; the next search builds it"):
        SearchIndex.open(saved, zero_shot, verify=True)


@pytest.mark.parametrize(
    "embeddings",
    [torch.ones(6, 16), torch.ones(6, 32, dtype=torch.bfloat16), torch.ones(6), torch.zeros(6, 32),
     torch.full((6, 32), torch.nan)],
)  # fmt: skip
def test_embeddings_that_are_none_are_refused(embeddings, saved, zero_shot):
    rewritten(saved, {"embeddings": embeddings})
    with pytest.raises(DataError, match=r"cannot be read as a search index \((its embeddings are|row 0 of its)"):
        SearchIndex.open(saved, zero_shot)


def test_what_is_no_index_is_refused(saved, zero_shot, tmp_path):
    with pytest.raises(DataError, match=r"cannot be read as a search index .*Remove it; the next search builds it"):
        SearchIndex.open(tmp_path / "gone.safetensors", zero_shot)
    intact = saved.read_bytes()
    saved.write_bytes(intact[: len(intact) // 2])
    with pytest.raises(DataError, match="cannot be read as a search index"):
        SearchIndex.open(saved, zero_shot)
    save_file({"embeddings": torch.ones(2, 2)}, saved)
    with pytest.raises(DataError, match="is a safetensors file, but no search index"):
        SearchIndex.open(saved, zero_shot)


def test_an_index_is_bound_to_its_backbone_and_its_checkpoint(saved, other_clip, toy_run):
    words = r"was made with zero-shot .*tiny\.pt .* and this search uses zero-shot .*other\.pt"
    with pytest.raises(BackboneMismatchError, match=words):
        SearchIndex.open(saved, QueryEncoder.load(backbone=str(other_clip)))
    with pytest.raises(CheckpointError, match=r"this search uses .*aape\.ckpt on .*tiny\.pt.*SearchIndex\.of_images"):
        SearchIndex.open(saved, QueryEncoder.load(toy_run / "aape.ckpt"))


def test_a_damaged_index_in_the_cache_says_so(zero_shot, toy_images, tmp_path):
    SearchIndex.of_images(zero_shot, toy_images, tmp_path)
    path = next((tmp_path / "indices").glob("*.safetensors"))
    rewritten(path, {"embeddings": torch.zeros(20, 32)})
    with pytest.raises(DataError, match="is damaged"):
        SearchIndex.of_images(zero_shot, toy_images, tmp_path)
    path.unlink()
    assert len(SearchIndex.of_images(zero_shot, toy_images, tmp_path).images) == 20
