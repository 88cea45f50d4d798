"""Texts through the text tower: in order, in parts, and on from where a kill came."""

import multiprocessing
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from aape_lightning import shards
from aape_lightning.backbones import load_backbone
from aape_lightning.prompts import PromptBank, embed_texts, embedding, open_or_build_bank
from aape_lightning.prompts.embedding import embed_texts_together, text_shards

CPU = torch.device("cpu")
TEXTS = [f"A sentence about the number {k}." for k in range(11)]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Four texts a shard: eleven are many."""
    monkeypatch.setattr(embedding, "_SHARD", 4)
    monkeypatch.setattr(shards, "_PAGE", 128)


@pytest.fixture(scope="module")
def expected(tiny_backbone):
    return torch.cat([tiny_backbone.encode_text(tiny_backbone.tokenize([text])) for text in TEXTS])


@pytest.fixture
def together(tiny_backbone, tmp_path):
    """Embeds texts by shards in a folder, and gives what that holds."""

    def embed(texts=TEXTS):
        array = text_shards(tmp_path / "partial" / "embeddings.npy", tiny_backbone, texts, taken=lambda: False)
        array.prepare()
        embed_texts_together(array, tiny_backbone, texts, CPU)
        return torch.from_numpy(np.load(array.path))

    return embed


def whole_shards(folder):
    return sorted(path.stem for path in folder.rglob("*.done") if path.stat().st_size)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 11])
@pytest.mark.parametrize("batch_size", [1, 3, 256])
def test_every_text_has_its_row_whatever_the_shards_and_batches(count, batch_size, tiny_backbone, expected, together):
    found = embed_texts(tiny_backbone, TEXTS[:count], CPU, batch_size)
    torch.testing.assert_close(found, expected[:count])
    torch.testing.assert_close(together(TEXTS[:count]), expected[:count])


def test_texts_of_all_lengths_have_their_own_rows(tiny_backbone, together):
    texts = [" ".join(["word"] * (7 * k % 11)) + f" {k}" for k in range(11)]
    expected = torch.cat([tiny_backbone.encode_text(tiny_backbone.tokenize([text])) for text in texts])
    assert torch.cdist(expected, expected).fill_diagonal_(1).min() > 1e-3
    torch.testing.assert_close(embed_texts(tiny_backbone, texts, CPU, batch_size=2), expected)
    torch.testing.assert_close(together(texts), expected)


def test_no_texts_are_an_empty_matrix(tiny_backbone, together, tmp_path):
    assert embed_texts(tiny_backbone, [], CPU).shape == (0, 32)
    assert open_or_build_bank(tiny_backbone, {}, tmp_path, CPU).embeddings.shape == (0, 32)


def test_what_is_done_is_not_done_again(embedded, together, tmp_path):
    first = together()
    assert sum(embedded) == 11
    assert whole_shards(tmp_path) == ["0000000000-0000000004", "0000000004-0000000008", "0000000008-0000000011"]
    next(tmp_path.rglob("0000000004-*.done")).unlink()
    second = together()
    assert sum(embedded) == 11 + 4
    assert torch.equal(first, second)


def test_an_error_in_the_middle_leaves_whole_shards_alone(tiny_backbone, embedded, together, tmp_path, monkeypatch):
    encode = tiny_backbone.encode_text

    def failing(tokens):
        if sum(embedded) >= 8:
            raise RuntimeError("out of memory")
        return encode(tokens)

    monkeypatch.setattr(tiny_backbone, "encode_text", failing)
    with pytest.raises(RuntimeError, match="out of memory"):
        together()
    assert whole_shards(tmp_path) == ["0000000000-0000000004", "0000000004-0000000008"]


# ---- a bank whose building is killed -------------------------------------------------------------------------------

SENTENCES = {"dog": TEXTS[:6], "cat": TEXTS[6:]}
BUILD_UNTIL = """
import sys
from pathlib import Path
import torch
from aape_lightning.backbones import load_backbone
from aape_lightning import shards
from aape_lightning.prompts import embedding, open_or_build_bank
embedding._SHARD = 4
shards._PAGE = 128
clip, folder, stop, *texts = sys.argv[1:]
backbone = load_backbone(clip)
encode, done = type(backbone).encode_text, 0
def encode_until(self, tokens):
    global done
    if done >= int(stop):
        print(done, flush=True)
        sys.stdin.read()  # until the kill
    done += len(tokens)
    return encode(self, tokens)
type(backbone).encode_text = encode_until
open_or_build_bank(backbone, {"dog": texts[:6], "cat": texts[6:]}, Path(folder), torch.device("cpu"))
"""


def kill_after(stop, clip, folder):
    """Build the bank in another process, and kill that once so many texts are embedded."""
    command = [sys.executable, "-c", BUILD_UNTIL, str(clip), str(folder), str(stop), *TEXTS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == f"{stop}\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("stop", "left"), [(0, 11), (4, 7), (8, 3)])
def test_a_bank_goes_on_from_where_it_was_killed(stop, left, tiny_clip, tiny_backbone, embedded, expected, tmp_path):
    kill_after(stop, tiny_clip, tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))
    bank = open_or_build_bank(tiny_backbone, SENTENCES, tmp_path, CPU)
    assert sum(embedded) == left
    torch.testing.assert_close(bank.embeddings, expected)
    assert (bank.texts, bank.keys) == (TEXTS, ["dog", "cat"])


def test_when_the_bank_is_whole_its_shards_are_gone(tiny_clip, tiny_backbone, embedded, tmp_path):
    kill_after(4, tiny_clip, tmp_path)
    for _ in range(2):
        open_or_build_bank(tiny_backbone, SENTENCES, tmp_path, CPU)
    assert sum(embedded) == 7
    assert {path.suffix for path in tmp_path.iterdir()} <= {".safetensors", ".lock"}


def test_shards_of_other_texts_or_another_backbone_are_not_taken(
    tiny_clip, other_clip, tiny_backbone, embedded, tmp_path
):
    kill_after(8, tiny_clip, tmp_path)
    others = {"dog": [text.upper() for text in TEXTS[:6]], "cat": TEXTS[6:]}
    bank = open_or_build_bank(tiny_backbone, others, tmp_path, CPU)
    assert sum(embedded) == 11
    torch.testing.assert_close(bank.embeddings, PromptBank.build(tiny_backbone, others, CPU).embeddings)
    other = load_backbone(str(other_clip))
    bank = open_or_build_bank(other, SENTENCES, tmp_path, CPU)
    torch.testing.assert_close(bank.embeddings, PromptBank.build(other, SENTENCES, CPU).embeddings)


# ---- a bank that several processes build -----------------------------------------------------------------------------


def build_in_turn(backbone, sentences, folder, log, start):
    """Build the bank with whoever else does; every text that goes through the tower is noted in a file."""
    tokenize = backbone.tokenize

    def noting(texts, **options):
        with log.open("a") as file:
            file.writelines(f"{text}\n" for text in texts)
        time.sleep(0.03)
        return tokenize(texts, **options)

    backbone.tokenize = noting
    start.wait()
    assert open_or_build_bank(backbone, sentences, folder, CPU).texts == [*sentences["dog"], *sentences["cat"]]


@pytest.mark.parametrize("count", [2, 4])
def test_processes_that_start_together_embed_each_text_once(count, tiny_backbone, tmp_path):
    texts = [f"The sentence of the number {k}." for k in range(50)]
    sentences, folder, log = {"dog": texts[:30], "cat": texts[30:]}, tmp_path / "banks", tmp_path / "log"
    fork = multiprocessing.get_context("fork")
    arguments = tiny_backbone, sentences, folder, log, fork.Barrier(count)
    processes = [fork.Process(target=build_in_turn, args=arguments) for _ in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * count
    assert sorted(log.read_text().splitlines()) == sorted(texts)
    together = open_or_build_bank(tiny_backbone, sentences, folder, CPU)
    alone = open_or_build_bank(tiny_backbone, sentences, tmp_path / "alone", CPU)
    assert torch.equal(together.embeddings, alone.embeddings)
    assert (together.keys, together.texts) == (["dog", "cat"], texts)
    assert {path.suffix for path in folder.iterdir()} == {".safetensors", ".lock"}
