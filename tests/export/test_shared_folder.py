"""A shared folder: what comes back is what went in, and what a stranger writes is checked."""

import json
import pickle

import pytest
import torch
from aape_lightning import AdaptedCLIP, load
from aape_lightning.errors import BackboneMismatchError, CheckpointError
from aape_lightning.inference import read_saved
from aape_lightning.inference.folder import FOLDER_FILES, read_folder, write_folder
from aape_lightning.inference.loading import load_saved
from PIL import Image
from safetensors.torch import load_file, save_file

PROJECTIONS = ["bottleneck", "residual", "full", "none"]


@pytest.fixture
def photographs(tmp_path):
    pixels = torch.randint(0, 256, (3, 40, 48, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return [Image.fromarray(image.numpy()) for image in pixels]


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_what_was_saved_is_the_same_to_the_bit(projection, saved_of, tiny_backbone, photographs, tmp_path):
    model = load_saved(saved_of(tiny_backbone, projection=projection), "made", device="cpu")
    model.save_pretrained(tmp_path / "shared")
    for read in (AdaptedCLIP.from_pretrained, load):
        again = read(tmp_path / "shared", device="cpu")
        assert isinstance(again, AdaptedCLIP)
        assert again.class_names == model.class_names
        for classes in (None, ["a new one", "another"]):
            found, expected = again.classify(photographs, classes), model.classify(photographs, classes)
            assert torch.equal(found.probabilities, expected.probabilities)
        assert torch.equal(again.embed(photographs), model.embed(photographs))


def test_a_retrieval_run_comes_back_to_the_bit(saved_of, tiny_backbone, photographs, tmp_path):
    model = load_saved(saved_of(tiny_backbone, "RetrievalTask", retrieve_with="residual"), "made", device="cpu")
    model.save_pretrained(tmp_path / "shared")
    again = AdaptedCLIP.from_pretrained(tmp_path / "shared", device="cpu")
    assert torch.equal(again.embed(photographs, "query"), model.embed(photographs, "query"))


def test_the_folder_holds_three_files_and_no_pickle(saved, tiny_backbone, tmp_path):
    load_saved(saved, "made", device="cpu").save_pretrained(tmp_path / "shared")
    assert {path.name for path in (tmp_path / "shared").iterdir()} == set(FOLDER_FILES)
    for path in (tmp_path / "shared").iterdir():
        with pytest.raises(Exception), path.open("rb") as file:  # noqa: B017, PT011 - whatever pickle raises
            pickle.load(file)
        assert not path.read_bytes().startswith(b"PK")  # a zip, as torch.save writes


def test_all_that_was_recorded_comes_back(saved, shared_folder):
    again = read_folder(shared_folder)
    assert (again.task, again.inference, again.hyper_parameters) == (
        saved.task,
        saved.inference,
        saved.hyper_parameters,
    )
    for ours, theirs in ((again.state_dict, saved.state_dict), (again.tensors, saved.tensors)):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_folder_can_be_written_over_itself(saved, shared_folder):
    write_folder(read_folder(shared_folder), shared_folder)
    assert torch.equal(read_folder(shared_folder).tensors["class_embeddings"], saved.tensors["class_embeddings"])


def test_zero_shot_has_nothing_to_share(tiny_clip, tmp_path):
    with pytest.raises(CheckpointError, match="nothing trained to share"):
        load(backbone=str(tiny_clip), device="cpu").save_pretrained(tmp_path / "shared")


def test_another_backbone_is_refused(shared_folder, other_clip):
    with pytest.raises(BackboneMismatchError, match="was trained on backbone"):
        AdaptedCLIP.from_pretrained(shared_folder, backbone=str(other_clip))


# ---- strangers' folders ----------------------------------------------------------------------------------------------


def changed(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"task": "os.system"}, "a task 'os.system', which is none of"),
        ({"task": "AggregatorTask"}, "A AggregatorTask is of no use here"),
        ({"task": 3}, "task: Input should be a valid string"),
        ({"format": 2}, "format: Input should be less than or equal to 1"),
        ({"library": "transformers"}, "library: Input should be 'aape_lightning'"),
        ({"auto_map": {"AutoModel": "evil.py"}}, "auto_map: Extra inputs are not permitted"),
        ({"backbone": {"name": "x"}}, "backbone_spec.fingerprint is wrong: Field required"),
        ({"backbone": {"name": "x", "fingerprint": "y", "embed_dim": 10**9, "logit_scale": 1.0}}, "embed_dim is wrong"),
        ({"hyper_parameters": {"callback": "x"}}, "does not take: 'callback'"),
        ({"inference": {"class_names": ["one"]}}, "class_embeddings must be float32 of shape (1, 32)"),
        ({"inference": {"run": "rm"}}, "inference.run is wrong: Extra inputs"),
    ],
)
def test_a_configuration_is_checked(values, words, shared_folder):
    changed(shared_folder, **values)
    with pytest.raises(CheckpointError) as fault:
        load(shared_folder)
    assert words in str(fault.value)


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000])
def test_what_is_no_configuration_is_said(text, shared_folder):
    (shared_folder / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json' is n"):
        load(shared_folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors: tensors.pop("generator.inner.weight"), "not those of a ClassificationTask"),
        (lambda tensors: tensors.update(more=torch.zeros(1)), "not those of a ClassificationTask"),
        (lambda tensors: tensors.update({"generator.inner.bias": torch.zeros(7)}), "not those of a ClassificationTask"),
        (lambda tensors: tensors.update({"inference.code": torch.zeros(1)}), "tensors that are not known: 'code'"),
    ],
)
def test_weights_are_checked(change, words, shared_folder):
    tensors = load_file(shared_folder / "model.safetensors")
    change(tensors)
    save_file(tensors, shared_folder / "model.safetensors")
    with pytest.raises(CheckpointError) as fault:
        load(shared_folder)
    assert words in str(fault.value)


def test_missing_and_damaged_files_are_said(shared_folder, tmp_path):
    (shared_folder / "model.safetensors").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(CheckpointError, match="No weights can be read from"):
        load(shared_folder)
    (shared_folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="there is no such file"):
        load(shared_folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"aape share RUN/aape\.ckpt FOLDER"):
        read_saved(tmp_path / "empty")
