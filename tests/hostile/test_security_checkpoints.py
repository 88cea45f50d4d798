"""Checkpoints of strangers: they run no code, import no module, and build no class but the task's own."""

import inspect
import json
import pickle
import struct
import sys
from typing import get_type_hints

import pytest
import torch
from aape_lightning import baselines, tasks
from aape_lightning.backbones import load_backbone
from aape_lightning.cli import main
from aape_lightning.data.draw_files import read_draw
from aape_lightning.data.splits import Split
from aape_lightning.errors import AAPEError, CheckpointError, PromptError
from aape_lightning.inference import read_saved
from aape_lightning.prompts.review.text_models import load_text_model
from aape_lightning.search.checkpoint import read_retriever
from aape_lightning.tasks import ClassificationTask
from aape_lightning.tasks.trained import trained_generator
from jsonargparse import ArgumentError

RUN = []
TASK = "aape_lightning.tasks.classification.ClassificationTask"
MODULE = "module_of_a_stranger"
SPEC = {"class_path": f"{MODULE}.Evil", "init_args": {"number": 2}}


class Runs:
    def __reduce__(self):
        return RUN.append, ("code of the file",)


@pytest.fixture(autouse=True)
def traces(tmp_path, monkeypatch):
    """A module that leaves a trace where it is imported, and one where its class is built."""
    folder, left = tmp_path / "modules", tmp_path / "left"
    folder.mkdir()
    left.mkdir()
    code = ["from pathlib import Path", "from lightning.pytorch import LightningModule", f"LEFT = Path({str(left)!r})"]
    code += ["(LEFT / 'imported').touch()", "class Evil:", "    def __init__(self, number: int = 1):"]
    code += ["        (LEFT / 'built').touch()", "class Task(LightningModule):", "    def __init__(self):"]
    code += ["        super().__init__()", "        (LEFT / 'built').touch()"]
    (folder / f"{MODULE}.py").write_text("\n".join(code) + "\n")
    monkeypatch.syspath_prepend(folder)
    RUN.clear()
    yield left
    sys.modules.pop(MODULE, None)


def untouched(left):
    return RUN == [] and not list(left.iterdir())


def test_the_traces_are_left_by_whoever_builds_the_class(traces):
    from module_of_a_stranger import Evil

    Evil()
    pickle.loads(pickle.dumps(Runs()))
    assert not untouched(traces)
    assert {path.name for path in traces.iterdir()} == {"imported", "built"}


HYPER_PARAMETERS = {
    "a task of elsewhere": ({"_class_path": f"{MODULE}.Task"}, "which is neither the recipe's nor a task of"),
    "a function of elsewhere": ({"_class_path": "os.system"}, "which is neither the recipe's nor a task of"),
    "what is no task here": ({"_class_path": "aape_lightning.files.write_text"}, "neither the recipe's nor a task of"),
    "a class that is not text": ({"_class_path": ["os", "system"]}, "neither the recipe's nor a task of"),
    "an object in a mapping": ({"_class_path": TASK, "backbone_spec": {"name": SPEC}}, "names a class to build"),
    "an object for a mapping": ({"_class_path": TASK, "backbone_spec": SPEC}, "names a class to build"),
    "an object for a word": ({"_class_path": TASK, "optimizer": SPEC}, "names a class to build"),
    "an object in a list": ({"_class_path": TASK, "lr": [[SPEC]]}, "names a class to build"),
    "an object in a text": (
        {"_class_path": TASK, "backbone_spec": {"name": json.dumps(SPEC)}},
        "names a class to build",
    ),
    "an object in escapes": (
        {"_class_path": TASK, "backbone_spec": {"name": json.dumps(SPEC).replace("class_path", r"class\x5fpath")}},
        "names a class to build",
    ),
    "the configuration itself": (SPEC, "names a class to build"),
    "its arguments": ({"init_args": {"backbone_spec": SPEC}, "_class_path": TASK}, "names a class to build"),
    "a path of names": ({"_class_path": TASK, "backbone_spec.class_path": f"{MODULE}.Evil"}, "which is no name"),
    "a number for a name": ({"_class_path": TASK, 1: 2}, "which is no name"),
    "a tensor": ({"_class_path": TASK, "lr": torch.ones(1)}, "no plain value, but a Tensor"),
    "a list": ([1], "no mapping, but list"),
}


def written(path, hyper_parameters):
    checkpoint = {"state_dict": {"w": torch.ones(1)}, "optimizer_states": [], "pytorch-lightning_version": "2.6.6"}
    torch.save(checkpoint | {"hyper_parameters": hyper_parameters}, path)
    return path


@pytest.mark.parametrize(("found", "words"), HYPER_PARAMETERS.values(), ids=HYPER_PARAMETERS)
def test_the_command_line_builds_nothing_of_a_checkpoint(found, words, toy_recipe, tmp_path, traces):
    path = written(tmp_path / "evil.ckpt", found)
    with pytest.raises(CheckpointError, match=words):
        main(["test", "--config", str(toy_recipe), "--ckpt_path", str(path), "--run", str(tmp_path / "run")])
    assert untouched(traces)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("version", [None, "", "x" * 10**6, "1.9.5", 2.6, "2.6.6; import os", ["2.6.6"], "\ud800"])
def test_a_version_that_lightning_never_wrote_is_refused(version, toy_recipe, tmp_path):
    path = written(tmp_path / "evil.ckpt", {"_class_path": TASK})
    torch.save(torch.load(path, weights_only=True) | {"pytorch-lightning_version": version}, path)
    with pytest.raises(CheckpointError, match=r"evil\.ckpt' .* is of Lightning's version .* of 2\.6 or later"):
        main(["test", "--config", str(toy_recipe), "--ckpt_path", str(path), "--run", str(tmp_path / "run")])


@pytest.mark.parametrize("found", [{"_class_path": f"{MODULE}.Task"}, {"_class_path": TASK, "backbone_spec": SPEC}])
@pytest.mark.parametrize("command", ["fit", "validate", "predict"])
def test_no_command_builds_anything_of_a_checkpoint(command, found, toy_recipe, tmp_path, traces):
    path = written(tmp_path / "evil.ckpt", found)
    with pytest.raises(CheckpointError, match="--ckpt_path"):
        main([command, "--config", str(toy_recipe), "--ckpt_path", str(path), "--run", str(tmp_path / "run")])
    assert untouched(traces)


def test_a_checkpoint_deeper_than_python_recurses_is_read_to_its_end(toy_recipe, tmp_path, traces):
    deep = SPEC
    for _ in range(400):
        deep = [deep]
    path = written(tmp_path / "deep.ckpt", {"_class_path": TASK, "lr": deep})
    with pytest.raises(CheckpointError, match="names a class to build"):
        main(["test", "--config", str(toy_recipe), "--ckpt_path", str(path)])
    assert untouched(traces)


@pytest.mark.parametrize("value", [SPEC, {"name": SPEC}, {"name": json.dumps(SPEC)}, json.dumps({"name": SPEC})])
def test_python_builds_nothing_of_a_checkpoint(value, tmp_path, traces):
    own = {"_instantiator": "lightning.pytorch.cli.instantiate_module", "_class_path": TASK}
    path = written(tmp_path / "evil.ckpt", own | {"backbone_spec": value})
    with pytest.raises(
        (ArgumentError, KeyError, ValueError)
    ):  # the parameter's type is refused, or the mapping lacks its width
        ClassificationTask.load_from_checkpoint(path, weights_only=True)
    assert untouched(traces)


def test_no_task_takes_a_value_of_any_kind():
    """jsonargparse reads a mapping with a `class_path` as an object wherever a parameter takes anything."""
    classes = [getattr(package, name) for package in (tasks, baselines) for name in package.__all__]
    classes = [found for found in classes if inspect.isclass(found)]
    passed_on = ("args", "kwargs")
    assert len(classes) > 15
    loose = [
        f"{found.__name__}.{name}"
        for found in classes
        for name, hint in get_type_hints(found.__init__).items()
        if name not in passed_on and (hint in (object, dict, list) or "Any" in str(hint) or "Callable" in str(hint))
    ]
    assert loose == []


def codes(path):
    """Files that run code where they are unpickled: torch's archive, and a bare pickle."""
    torch.save({"state_dict": Runs(), "hyper_parameters": {}, "w": Runs()}, path / "archive.ckpt")
    (path / "pickle.ckpt").write_bytes(pickle.dumps(Runs()))
    return [path / "archive.ckpt", path / "pickle.ckpt"]


READERS = {
    "aape.load": read_saved,
    "aape retrieve": read_retriever,
    "generator_from": lambda path: trained_generator(path, {"name": "x", "fingerprint": "y", "embed_dim": 32}),
    "a backbone": lambda path: load_backbone(str(path)),
    "a backbone of open_clip": lambda path: load_backbone(f"open_clip:ViT-B-32/{path}"),
    "a text model": lambda path: load_text_model(str(path.parent)),
    "a draw": lambda path: read_draw(path, Split(["a"], [], [], [])),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_pickle_runs_no_code(read, tmp_path, traces):
    for path in codes(tmp_path):
        with pytest.raises(AAPEError):
            read(path)
        assert untouched(traces)


@pytest.mark.parametrize("command", ["fit", "test"])
def test_a_pickle_runs_no_code_from_the_command_line(command, toy_recipe, tmp_path, traces):
    for path in codes(tmp_path):
        with pytest.raises(CheckpointError, match="would run code of its own"):
            main([command, "--config", str(toy_recipe), "--ckpt_path", str(path)])
        assert untouched(traces)


def test_the_modules_of_a_text_model_name_no_class_to_import(tmp_path, traces):
    (tmp_path / "model").mkdir()
    modules = [{"idx": 0, "name": "0", "path": "", "type": f"{MODULE}.Evil"}]
    (tmp_path / "model" / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(PromptError, match=f"names classes to import: '{MODULE}.Evil'"):
        load_text_model(str(tmp_path / "model"))
    assert untouched(traces)


HEADERS = {
    "longer than the file": struct.pack("<Q", 2**62),
    "no JSON": struct.pack("<Q", 4) + b"{{{{",
    "offsets outside": struct.pack("<Q", 62) + b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,1000000000]}}',
    "a negative shape": struct.pack("<Q", 56) + b'{"w":{"dtype":"F32","shape":[-4],"data_offsets":[0,16]}}' + bytes(16),
    "nothing": b"",
}


@pytest.mark.parametrize("content", HEADERS.values(), ids=HEADERS)
def test_a_hostile_header_of_safetensors_is_refused(content, tmp_path):
    spec = {"name": "x", "fingerprint": "y" * 12, "embed_dim": 32, "logit_scale": 100.0}
    config = {"task": "ClassificationTask", "backbone": spec, "hyper_parameters": {}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="No weights can be read"):
        read_saved(tmp_path)
