"""Texts through the text tower: in order, in parts, and on from where a kill came."""

import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from aape_lightning.backbones import load_backbone
from aape_lightning.prompts import PromptBank, embed_texts, embedding, open_or_build_bank

CPU = torch.device("cpu")
TEXTS = [f"A sentence about the number {k}." for k in range(11)]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Four texts a part: eleven are many."""
    monkeypatch.setattr(embedding, "_PART", 4)


@pytest.fixture(scope="module")
def expected(tiny_backbone):
    return torch.cat([tiny_backbone.encode_text(tiny_backbone.tokenize([text])) for text in TEXTS])


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 11])
@pytest.mark.parametrize("batch_size", [1, 3, 256])
def test_every_text_has_its_row_whatever_the_parts_and_batches(count, batch_size, tiny_backbone, expected, tmp_path):
    for parts in (None, tmp_path / "parts"):
        found = embed_texts(tiny_backbone, TEXTS[:count], CPU, batch_size, parts)
        torch.testing.assert_close(found, expected[:count])


def test_no_texts_are_an_empty_matrix(tiny_backbone, tmp_path):
    assert embed_texts(tiny_backbone, [], CPU, parts=tmp_path).shape == (0, 32)


def test_without_a_folder_nothing_is_written(tiny_backbone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    embed_texts(tiny_backbone, TEXTS, CPU)
    assert list(tmp_path.iterdir()) == []


def test_a_part_is_a_file_that_numpy_reads_and_that_comes_in_order(tiny_backbone, tmp_path, expected):
    embed_texts(tiny_backbone, TEXTS, CPU, parts=tmp_path)
    parts = [np.load(path) for path in sorted(tmp_path.iterdir())]
    assert [len(part) for part in parts] == [4, 4, 3]
    torch.testing.assert_close(torch.from_numpy(np.concatenate(parts)), expected)


def test_what_is_done_is_not_done_again(tiny_backbone, embedded, tmp_path):
    first = embed_texts(tiny_backbone, TEXTS, CPU, parts=tmp_path)
    assert sum(embedded) == 11
    sorted(tmp_path.iterdir())[1].unlink()
    second = embed_texts(tiny_backbone, TEXTS, CPU, parts=tmp_path)
    assert sum(embedded) == 11 + 4
    assert torch.equal(first, second)


def test_an_error_in_the_middle_leaves_whole_parts_alone(tiny_backbone, embedded, tmp_path, monkeypatch):
    encode = tiny_backbone.encode_text

    def failing(tokens):
        if sum(embedded) >= 8:
            raise RuntimeError("out of memory")
        return encode(tokens)

    monkeypatch.setattr(tiny_backbone, "encode_text", failing)
    with pytest.raises(RuntimeError, match="out of memory"):
        embed_texts(tiny_backbone, TEXTS, CPU, parts=tmp_path)
    assert [len(np.load(path)) for path in sorted(tmp_path.iterdir())] == [4, 4]


# ---- a bank whose building is killed -------------------------------------------------------------------------------

SENTENCES = {"dog": TEXTS[:6], "cat": TEXTS[6:]}
BUILD_UNTIL = """
import sys
from pathlib import Path
import torch
from aape_lightning.backbones import load_backbone
from aape_lightning.prompts import embedding, open_or_build_bank
embedding._PART = 4
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


def test_when_the_bank_is_whole_its_parts_are_gone(tiny_clip, tiny_backbone, embedded, tmp_path):
    kill_after(4, tiny_clip, tmp_path)
    for _ in range(2):
        open_or_build_bank(tiny_backbone, SENTENCES, tmp_path, CPU)
    assert sum(embedded) == 7
    assert {path.suffix for path in tmp_path.iterdir()} <= {".safetensors", ".lock"}


def test_parts_of_other_texts_or_another_backbone_are_not_taken(
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
