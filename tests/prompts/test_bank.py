import json
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from aape_lightning.backbones import load_backbone
from aape_lightning.errors import BackboneMismatchError, PromptError
from aape_lightning.prompts import PromptBank, embed_texts, open_or_build_bank
from aape_lightning.prompts.embedding import embed_texts_together
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

SENTENCES = {
    "red_car": ["A red car.", "A fast car on a road.", "It has four wheels."],
    "Blue Boat": ["A boat."],
    "naïve 树": ["Un été à la mer — très «bleu».", "🌊"],
    "dog": ["A dog.", "A dog barks.", "It wags its tail.", "A pet.", "Four legs."],
}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bank(tiny_backbone):
    return PromptBank.build(tiny_backbone, SENTENCES, CPU)


@pytest.fixture
def saved(bank, tiny_backbone, tmp_path):
    bank.save(tmp_path / "bank.safetensors", tiny_backbone)
    return tmp_path / "bank.safetensors"


def rows(bank, key):
    k = bank.keys.index(key)
    return bank.embeddings[bank.offsets[k] : bank.offsets[k + 1]]


def held(path):
    """The tensors and the metadata of a safetensors file."""
    with safe_open(path, "pt") as file:
        return load_file(path), file.metadata()


def assert_same(ours, theirs):
    assert torch.equal(ours.embeddings, theirs.embeddings)
    assert torch.equal(ours.offsets, theirs.offsets)
    assert (ours.keys, ours.texts) == (theirs.keys, theirs.texts)


def test_every_sentence_has_its_own_embedding(bank, tiny_backbone):
    assert bank.keys == list(SENTENCES)
    for key, texts in SENTENCES.items():
        expected = torch.cat([tiny_backbone.encode_text(tiny_backbone.tokenize([text])) for text in texts])
        torch.testing.assert_close(rows(bank, key), expected)
        assert bank.sentences(key) == texts


def test_texts_are_embedded_in_order_whatever_the_batch(tiny_backbone):
    texts = [f"number {k}" for k in range(11)]
    expected = tiny_backbone.encode_text(tiny_backbone.tokenize(texts))
    torch.testing.assert_close(embed_texts(tiny_backbone, texts, CPU, batch_size=4), expected)


def test_texts_beyond_the_context_are_cut(tiny_backbone):
    embedding = embed_texts(tiny_backbone, ["dog " * 60], CPU)
    torch.testing.assert_close(embedding, embed_texts(tiny_backbone, ["dog " * 40], CPU))


def test_gather_equals_a_loop(bank):
    keys = torch.tensor([3, 0, 1, 1, 2])
    prompts, mask = bank.gather(keys)
    assert prompts.shape == (5, 5, 32)
    for prompt, real, key in zip(prompts, mask, keys, strict=True):
        expected = rows(bank, bank.keys[key])
        assert real.tolist() == [True] * len(expected) + [False] * (5 - len(expected))
        assert torch.equal(prompt[real], expected)


def test_padding_is_finite_and_of_the_key_itself(bank):
    """So that no masked sentence can bring a NaN, or another class, into a softmax."""
    prompts, mask = bank.gather(torch.tensor([1]))
    assert torch.equal(prompts[0, ~mask[0]], rows(bank, "Blue Boat").expand(4, -1))


def test_gather_of_no_key_is_empty(bank):
    prompts, mask = bank.gather(torch.empty(0, dtype=torch.long))
    assert (prompts.shape, mask.shape) == ((0, 5, 32), (0, 5))


def test_means_are_normalised_means_of_the_keys_own_sentences(bank):
    expected = torch.stack([F.normalize(rows(bank, key).mean(0), dim=0) for key in bank.keys])
    torch.testing.assert_close(bank.means(), expected)


def test_select_keeps_the_asked_order_and_texts(bank):
    chosen = bank.select(["dog", "red_car"])
    assert chosen.keys == ["dog", "red_car"]
    for key in chosen.keys:
        assert torch.equal(rows(chosen, key), rows(bank, key))
        assert chosen.sentences(key) == SENTENCES[key]
    prompts, mask = bank.select(["Blue Boat", "red_car"]).gather(torch.tensor([0]))
    assert prompts.shape == (1, 3, 32)  # padded to the longest key that is left
    assert mask.tolist() == [[True, False, False]]


def test_to_a_device_keeps_everything(bank):
    assert_same(bank.to(CPU), bank)


def test_save_and_open_give_the_bank_back(bank, saved, tiny_backbone):
    assert_same(PromptBank.open(saved, tiny_backbone), bank)


def test_a_selection_survives_saving(bank, tiny_backbone, tmp_path):
    chosen = bank.select(["dog", "naïve 树"])
    chosen.save(tmp_path / "some.safetensors", tiny_backbone)
    assert_same(PromptBank.open(tmp_path / "some.safetensors", tiny_backbone), chosen)


def test_a_bank_of_another_backbone_is_an_error_that_names_both(saved, other_clip, tiny_backbone):
    other = load_backbone(str(other_clip))
    message = f"{re.escape(tiny_backbone.name)}.*{tiny_backbone.fingerprint[:12]}.*{re.escape(other.name)}.*"
    with pytest.raises(BackboneMismatchError, match=message + other.fingerprint[:12]):
        PromptBank.open(saved, other)


def test_a_copy_of_the_backbone_opens_it(saved, tiny_clip, tmp_path, bank):
    copy = tmp_path / "copy.pt"
    copy.write_bytes(tiny_clip.read_bytes())
    assert_same(PromptBank.open(saved, load_backbone(str(copy))), bank)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_bank_is_an_error_that_says_what_to_do(share, saved, tiny_backbone):
    saved.write_bytes(saved.read_bytes()[: int(share * saved.stat().st_size)])
    with pytest.raises(PromptError, match=f"{re.escape(str(saved))}.*aape cache"):
        PromptBank.open(saved, tiny_backbone)


@pytest.mark.parametrize("name", ["embeddings", "offsets", "texts", "keys"])
def test_a_changed_byte_is_an_error_wherever_it_is(name, saved, tiny_backbone):
    content = bytearray(saved.read_bytes())
    header = int.from_bytes(content[:8], "little")
    start, end = json.loads(content[8 : 8 + header])[name]["data_offsets"]
    for place in (start, (start + end) // 2, end - 1):
        changed = bytearray(content)
        changed[8 + header + place] ^= 0x55
        saved.write_bytes(changed)
        with pytest.raises(PromptError, match=re.escape(str(saved))):
            PromptBank.open(saved, tiny_backbone, verify=True)
        if name != "embeddings":  # those stay on disk until they are used
            with pytest.raises(PromptError, match=re.escape(str(saved))):
                PromptBank.open(saved, tiny_backbone)


def test_a_missing_file_a_folder_and_a_text_file_are_errors_that_name_them(tmp_path, tiny_backbone):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("not a bank")
    for name in ("missing", "folder", "text"):
        with pytest.raises(PromptError, match=re.escape(str(tmp_path / name))):
            PromptBank.open(tmp_path / name, tiny_backbone)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"format": "aape-prompt-bank-0"}])
def test_safetensors_of_another_kind_are_no_bank(metadata, tmp_path, tiny_backbone):
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors", metadata)
    with pytest.raises(PromptError, match=r"other.safetensors' is a safetensors file, but no prompt bank"):
        PromptBank.open(tmp_path / "other.safetensors", tiny_backbone)


@pytest.mark.parametrize("lost", ["embeddings", "keys"])
def test_a_bank_without_one_of_its_tensors_is_an_error(lost, saved, tiny_backbone):
    tensors, metadata = held(saved)
    del tensors[lost]
    save_file(tensors, saved, metadata)
    with pytest.raises(PromptError, match=re.escape(str(saved))):
        PromptBank.open(saved, tiny_backbone)


@pytest.mark.parametrize("lost", ["backbone", "backbone_name", "embeddings", "texts"])
def test_a_bank_without_one_of_its_notes_is_an_error(lost, saved, tiny_backbone):
    tensors, metadata = held(saved)
    del metadata[lost]
    save_file(tensors, saved, metadata)
    with pytest.raises(PromptError, match=re.escape(str(saved))):
        PromptBank.open(saved, tiny_backbone)


def test_the_cache_builds_a_bank_once(tiny_backbone, embedded, tmp_path, bank):
    for _ in range(3):
        assert_same(open_or_build_bank(tiny_backbone, SENTENCES, tmp_path, CPU), bank)
    assert sum(embedded) == len(bank.texts)


def test_other_texts_another_order_and_another_backbone_are_other_banks(tiny_backbone, other_clip, tmp_path):
    changed = SENTENCES | {"dog": [*SENTENCES["dog"], "One more."]}
    renamed = {name.upper(): texts for name, texts in SENTENCES.items()}
    reordered = dict(reversed(SENTENCES.items()))
    for sentences in (SENTENCES, changed, renamed, reordered):
        assert open_or_build_bank(tiny_backbone, sentences, tmp_path, CPU).keys == list(sentences)
    open_or_build_bank(load_backbone(str(other_clip)), SENTENCES, tmp_path, CPU)
    assert len(list(tmp_path.glob("*.safetensors"))) == 5


def test_a_damaged_bank_in_the_cache_is_an_error_that_names_the_file(tiny_backbone, tmp_path):
    open_or_build_bank(tiny_backbone, SENTENCES, tmp_path, CPU)
    [path] = tmp_path.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(PromptError, match=f"{re.escape(str(path))}.*Remove it"):
        open_or_build_bank(tiny_backbone, SENTENCES, tmp_path, CPU)


def test_threads_that_ask_together_build_once(tiny_backbone, embedded, tmp_path, bank):
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(open_or_build_bank, tiny_backbone, SENTENCES, tmp_path, CPU) for _ in range(4)]
        for future in asked:
            assert_same(future.result(), bank)
    assert sum(embedded) == len(bank.texts)


TOGETHER = "aape_lightning.prompts.bank.embed_texts_together"


def test_who_is_late_to_know_opens_the_bank_that_another_has_finished(
    tiny_backbone, embedded, tmp_path, bank, monkeypatch
):
    """A network file system may answer from memory that the bank is not there."""
    is_file = Path.is_file

    def overtaken(array, *arguments):
        with monkeypatch.context() as other:
            other.setattr(Path, "is_file", is_file)
            other.setattr(TOGETHER, embed_texts_together)
            open_or_build_bank(tiny_backbone, SENTENCES, tmp_path, CPU)
        embed_texts_together(array, *arguments)

    monkeypatch.setattr(Path, "is_file", lambda path: path.suffix != ".safetensors" and is_file(path))
    monkeypatch.setattr(TOGETHER, overtaken)
    for _ in range(2):  # the second time it is there before the build
        assert_same(open_or_build_bank(tiny_backbone, SENTENCES, tmp_path, CPU), bank)
        assert sum(embedded) == len(bank.texts)
        assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors", ".lock"}


def test_a_half_built_bank_that_is_removed_during_the_build_is_an_error(tiny_backbone, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(TOGETHER, lambda array, *arguments: shutil.rmtree(array.path.parent))
        with pytest.raises(PromptError, match=r"\.partial' was removed during the build.*aape cache"):
            open_or_build_bank(tiny_backbone, SENTENCES, tmp_path, CPU)
    assert open_or_build_bank(tiny_backbone, SENTENCES, tmp_path, CPU).keys == list(SENTENCES)


SECOND_PROCESS = """
import sys
from pathlib import Path
import torch
from aape_lightning.backbones import ClipBackbone, load_backbone
from aape_lightning.prompts import open_or_build_bank
def refuse(*args):
    raise SystemExit("built again")
ClipBackbone.encode_text = refuse
backbone = load_backbone(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
bank = open_or_build_bank(backbone, {"dog": ["A dog."]}, Path(sys.argv[2]), torch.device("cpu"))
print(bank.keys)
"""


def test_a_second_process_waits_for_the_first(tiny_clip, tiny_backbone, tmp_path, monkeypatch):
    command = [sys.executable, "-c", SECOND_PROCESS, str(tiny_clip), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as second:
        assert second.stdout.readline() == "ready\n"
        encode = tiny_backbone.encode_text

        def slow(tokens):
            second.stdin.write("go\n")
            second.stdin.flush()
            time.sleep(0.3)  # the second process asks meanwhile
            return encode(tokens)

        monkeypatch.setattr(tiny_backbone, "encode_text", slow)
        open_or_build_bank(tiny_backbone, {"dog": ["A dog."]}, tmp_path, CPU)
        assert second.stdout.readline() == "['dog']\n"
    assert second.returncode == 0
