import json
from collections import Counter
from unittest.mock import Mock

import pytest
import yaml
from aape_lightning.data import TextDataModule
from aape_lightning.data.shapes import shapes_captions, shapes_questions
from aape_lightning.data.text import _Blocks
from aape_lightning.data.text_sources import read_documents
from aape_lightning.errors import DataError, ManifestError
from lightning.pytorch import Trainer
from torch.utils.data import DistributedSampler

LINES = [f"line {k} says {'abcdefghij'[k % 10] * (1 + k % 4)}" for k in range(120)]
PEOPLE = ("two", "two", "2", "three")

NOT_RESUMED = Mock(**{"epoch_loop.restarting": False})


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("\n\n".join(LINES) + "\n")
    return str(path)


@pytest.fixture
def photographs(tmp_path):
    """Manifests of captions and of questions about the same images, in one folder, without any image."""
    images = [
        {
            "imgid": k,
            "filename": f"{k}.jpg",
            "split": part,
            "sentences": [{"raw": f"{part} {k}, caption {j}"} for j in range(3)],
        }
        for k, part in enumerate(["train"] * 6 + ["val"] * 2 + ["test"] * 2)
    ]
    folder = tmp_path / "photographs"
    folder.mkdir()
    (folder / "captions.json").write_text(json.dumps({"images": images}))
    rows = [f"how many in {k},{';'.join(PEOPLE)},{k}.jpg" for k in range(6)]
    (folder / "questions.csv").write_text("\n".join(["question,answer,image", *rows]) + "\n")
    shared = {"folder": ["photographs"], "images": "images"}
    contents = {
        "told": {"kind": "captions", "split": {"format": "karpathy", "file": "captions.json"}},
        "asked": {
            "kind": "questions",
            "split": {"format": "csv", "files": {"train": "questions.csv"}, "separator": ";"},
        },
    }
    for name, content in contents.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"name": name} | shared | content))
    return tmp_path


def data(sources, **changes):
    module = TextDataModule(sources, **({"vocab_size": 400, "context": 32, "batch_size": 4} | changes))
    module.setup()
    return module


def texts_of(module, loader):
    """The texts in a loader's batches, put together from the blocks."""
    tokens = [
        token
        for batch in loader
        for row, mask in zip(batch["tokens"], batch["mask"], strict=True)
        for token in row[mask].tolist()
    ]
    texts = module.tokenizer.decode(tokens).split(module.tokenizer.eos_token)
    assert texts.pop() == ""
    return texts


def train_texts(module, epoch=0):
    loader = module.train_dataloader()
    loader.sampler.set_epoch(epoch)
    return texts_of(module, loader)


# ---- sources -------------------------------------------------------------------------------------------------------


def test_every_line_of_a_file_is_a_document_and_some_are_held_out(text_file):
    train, held = read_documents([text_file], held_out=0.2)
    assert sorted(text for document in [*train, *held] for text in document) == sorted(LINES)
    assert all(len(document) == 1 for document in train)
    assert 0.1 < len(held) / len(LINES) < 0.3
    assert read_documents([text_file], held_out=0.2) == (train, held)


def test_of_a_manifest_the_training_part_is_read_and_the_test_part_never(photographs):
    train, held = read_documents([str(photographs / "told.yaml")], str(photographs))
    assert train == [[f"train {k}, caption {j}" for j in range(3)] for k in range(6)]
    assert held == [[f"val {k}, caption {j}" for j in range(3)] for k in (6, 7)]


def test_captions_and_questions_of_one_image_are_one_document(photographs):
    sources = [str(photographs / "told.yaml"), str(photographs / "asked.yaml")]
    train, held = read_documents(sources, str(photographs), held_out=0.01)
    assert (len(train), len(held)) == (6, 2)
    assert train[2] == [*(f"train 2, caption {j}" for j in range(3)), "Q: how many in 2 A: two"]


def test_a_manifest_without_a_validation_part_has_images_held_out(photographs):
    train, held = read_documents([str(photographs / "asked.yaml")], str(photographs), held_out=0.5)
    assert len(train) + len(held) == 6
    assert 0 < len(held) < 6


def test_the_scenes_of_the_shapes_world_are_documents():
    train, held = read_documents(["shapes_captions", "shapes_questions"])
    assert (len(train), len(held)) == (4000, 500)
    path, captions = next(iter(shapes_captions("train").items()))
    asked = shapes_questions("train")[path]
    assert train[0] == [*captions, *(f"Q: {each.question} A: {each.answer}" for each in asked)]


def test_sources_may_be_mixed(text_file):
    train, held = read_documents([text_file, "shapes_captions"], held_out=0.2)
    assert len(train) + len(held) == 4500 + len(LINES)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_a_share_that_holds_out_nothing_or_all_is_refused(share, text_file):
    with pytest.raises(DataError, match=f"held_out is {share}"):
        read_documents([text_file], held_out=share)


def test_too_little_text_is_refused(tmp_path):
    (tmp_path / "short.txt").write_text("one line\n")
    with pytest.raises(DataError, match=r"short\.txt.*1 documents to train on and 0 to hold out.*held_out"):
        read_documents([str(tmp_path / "short.txt")])


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "photo.txt").write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(DataError, match=r"photo\.txt.*UTF-8"):
        read_documents([str(tmp_path / "photo.txt")])


def test_other_sources_are_refused(tmp_path):
    with pytest.raises(ManifestError, match="no-such-corpus"):
        read_documents(["no-such-corpus"])
    with pytest.raises(ManifestError, match="has no captions"):
        read_documents(["shapes"])


# ---- blocks --------------------------------------------------------------------------------------------------------


def test_an_epoch_holds_every_text_once_each_with_its_end(text_file):
    module = data([text_file])
    train, held = read_documents([text_file])
    assert Counter(train_texts(module)) == Counter(text for document in train for text in document)
    assert Counter(texts_of(module, module.val_dataloader())) == Counter(text for document in held for text in document)


def test_blocks_are_as_long_as_the_context_and_only_the_last_is_padded(text_file):
    module = data([text_file])
    batches = list(module.train_dataloader())
    masks = [row for batch in batches for row in batch["mask"]]
    assert all(batch["tokens"].shape[1] == 32 for batch in batches)
    assert all(mask.all() for mask in masks[:-1])
    padding = batches[-1]["tokens"][-1][~masks[-1]]
    assert set(padding.tolist()) <= {module.tokenizer.pad_token_id}
    assert len(module.train_dataloader()) == len(batches)


def test_each_epoch_has_an_order_of_its_own_that_the_seed_decides(text_file):
    first, again, other = data([text_file]), data([text_file]), data([text_file], seed=2)
    assert train_texts(first) == train_texts(again)
    assert train_texts(first, epoch=3) == train_texts(again, epoch=3)
    assert train_texts(first) != train_texts(first, epoch=1)
    assert train_texts(first) != train_texts(other)
    held = [texts_of(first, first.val_dataloader()) for _ in range(2)]
    assert held[0] == held[1]


@pytest.mark.parametrize("epoch", [0, 2])
def test_processes_share_the_blocks_of_one(text_file, epoch):
    def blocks(processes, rank, *, held=False):
        module = data([text_file])
        module.trainer = Mock(spec=Trainer, world_size=processes, global_rank=rank, fit_loop=NOT_RESUMED)
        loader = module.val_dataloader() if held else module.train_dataloader()
        assert isinstance(loader.sampler, DistributedSampler)  # which Lightning leaves alone
        loader.sampler.set_epoch(epoch)
        return [tuple(row.tolist()) for batch in loader for row in batch["tokens"]]

    whole, parts = blocks(1, 0), [blocks(2, rank) for rank in range(2)]
    each = len(whole) // 2
    assert parts == [whole[rank : 2 * each : 2] for rank in range(2)]
    assert sorted(blocks(2, 0, held=True) + blocks(2, 1, held=True)) == sorted(blocks(1, 0, held=True))


def test_texts_of_one_image_stay_together_in_changing_order(photographs):
    module = data([str(photographs / "told.yaml")], root=str(photographs))
    for epoch in range(3):
        images = [text.split(",")[0] for text in train_texts(module, epoch)]
        assert all(len(set(images[start : start + 3])) == 1 for start in range(0, len(images), 3))
    orders = {tuple(text[-1] for text in train_texts(module, epoch)[:3]) for epoch in range(8)}
    assert len(orders) > 1


def test_the_tokeniser_is_trained_on_what_is_trained_on_alone(photographs):
    told = photographs / "photographs" / "captions.json"
    images = json.loads(told.read_text())["images"]
    for image in images:
        if image["split"] != "train":
            image["sentences"] = [{"raw": "xylophone " * 40}]
    told.write_text(json.dumps({"images": images}))
    module = data([str(photographs / "told.yaml")], root=str(photographs), vocab_size=1000)
    assert len(module.tokenizer.tokenize("xylophone")) > 4
    assert len(module.tokenizer.tokenize(" caption")) == 1


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"sources": []}, "No text is named"), ({"context": 0}, "context is 0"), ({"batch_size": 0}, "batch_size is 0")],
)
def test_wrong_values_are_refused(wrong, named):
    with pytest.raises(DataError, match=named):
        TextDataModule(**({"sources": ["shapes_captions"]} | wrong))


@pytest.mark.parametrize("rank", [0, 2])
def test_a_process_without_a_block_is_refused_in_every_process(rank):
    with pytest.raises(DataError, match=r"3 processes needs one of the blocks of text, of which there is only 1\."):
        _Blocks(1, 4, num_replicas=3, rank=rank)
    assert len(_Blocks(3, 4, num_replicas=3, rank=rank)) == 1
