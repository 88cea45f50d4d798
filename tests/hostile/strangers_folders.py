"""Files that lie in folders: of a shared task, of the cache, of a search index, of other libraries' models."""

import io
import json
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from aape_lightning.backbones.sentence_transformers import _clip_module
from aape_lightning.checkpoints import check_checkpoint
from aape_lightning.commands.cache.entries import entries_in
from aape_lightning.data.features import FeatureStore, Views
from aape_lightning.inference.folder import CONFIG_FILE, WEIGHTS_FILE, read_folder, write_folder
from aape_lightning.inference.registry import new_task
from aape_lightning.inference.saved import SavedTask
from aape_lightning.search.encoder import QueryEncoder
from aape_lightning.search.index import SearchIndex
from aape_lightning.search.index_file import _bound_to, _hash
from fake_backbone import BACKBONE, WIDTH
from file_parser import Parser, as_json
from mutations import altered, mutated_bytes, mutated_safetensors
from safetensors.torch import save

_STORE = f"features/{'a' * 24}"
_TOLD = {"title": "Toy, train", "backbone_name": "fake", "backbone": "f" * 64, "precision": "float32",
         "views": {"kind": "centre", "count": 1}, "output": "embedding"}  # fmt: skip
_MODULES = [
    {"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"},
    {"idx": 1, "name": "1", "path": "1", "type": "sentence_transformers.models.Normalize"},
]


# ---- arrays ----------------------------------------------------------------------------------------------------------


def npy(values):
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


_FIELDS = (
    b"'<f4'", b"'>f8'", b"'<f2'", b"'|O'", b"'<i8'", b"'|b1'", b"'<c8'", b"'|S9'", b"'<U3'", b"'<M8[s]'", b"'<f16'",
    b"[('a', '<f4')]", b"[]", b"'nonsense'", b"True", b"None", b"(2, 4)", b"(4, 2)", b"(8,)", b"()", b"(0, 4)",
    b"(-1, 4)", b"(2, 10**9)", b"(1000000000, 1000000000)", b"(1000000000000000000000,)", b"(2.0, 4)", b"('a',)",
    b"__import__('os')", b"{}", b"(" * 200, b"[" * 200, b"9" * 5000, b"", b"\0", b"\xff",
)  # fmt: skip


def hostile_npy(content, random):
    """An array whose header, length, magic number or bytes are others."""
    if random.random() < 0.3 or content[:6] != b"\x93NUMPY":
        return mutated_bytes(content, random)
    size = int.from_bytes(content[8:10], "little")
    header, rest = content[10 : 10 + size], content[10 + size :]
    for field in random.sample((b"'<f4'", b"'<i8'", b"True", b"False", b"(2, 4)", b"(2,)", b"'shape'", b"'descr'"), 3):
        if random.random() < 0.5:
            header = header.replace(field, random.choice(_FIELDS))
    size = len(header) if random.random() < 0.8 else random.choice((0, 1, size, 2**16 - 1))
    version = content[6:8] if random.random() < 0.8 else bytes([random.randrange(5), random.randrange(2)])
    return content[:6] + version + (size % 2**16).to_bytes(2, "little") + header + rest


# ---- what lies in the cache ------------------------------------------------------------------------------------------


def _listed(depth):
    """All of a cache that holds the file so many folders below it."""
    return lambda path: entries_in(path.parents[depth])


def _store():
    return FeatureStore(Path("stores"), BACKBONE, ["a", "b"], len, lambda path: 1, Views())


def _opened_store(path):
    store = _store()
    store.folder = path.parent
    return store.open()


def _encoder():
    return QueryEncoder(BACKBONE, torch.nn.Identity(), "e" * 64, None, torch.device("cpu"))


def _index(tensors):
    """An index with hashes of what it holds: a stranger can compute them as well."""
    hashes = {f"{name}_hash": _hash(tensor) for name, tensor in tensors.items()}
    return save(tensors, {"format": "aape-search-index-1"} | _bound_to(_encoder()) | hashes)


def _names(names):
    return torch.tensor(list(json.dumps(names).encode()), dtype=torch.uint8)


_NAMES = {"images": ["a.jpg", "b.jpg"], "texts": ["A dog.", ""]}
_ROWS = torch.eye(2, WIDTH)
_VALUES = (0.0, 1.0, float("nan"), float("inf"), 1e30)


def _hostile_index(content, random):
    if random.random() < 0.4:
        return mutated_safetensors(content, random)
    shape = random.choice([(2, WIDTH), (2, WIDTH), (0, WIDTH), (3, WIDTH), (WIDTH,), (2, 0), ()])
    kind = random.choice((torch.float32, torch.float32, torch.float16, torch.int64, torch.bool, torch.uint8))
    rows = torch.full(shape, random.choice(_VALUES)).to(kind) if random.random() < 0.5 else _ROWS
    names = _names(altered(_NAMES, random)) if random.random() < 0.7 else torch.zeros(3).to(kind)
    return _index({"embeddings": rows, "names": names})


# ---- a shared task ---------------------------------------------------------------------------------------------------


@cache
def _shared():
    """`config.json` and `model.safetensors` of a task."""
    spec = {"name": "b", "fingerprint": "f" * 64, "embed_dim": WIDTH, "logit_scale": 1.0}
    settings = {"backbone_spec": spec, "distillation_weight": 0.0, "projection": "residual"}
    task = new_task("ClassificationTask", dict(settings))
    told = {"dataset": "d", "class_names": ["dog"], "class_text": "a {}.", "templates": ["a {}."]}
    recorded = {"class_embeddings": torch.ones(1, WIDTH)}
    with tempfile.TemporaryDirectory() as folder:
        write_folder(SavedTask("ClassificationTask", settings, dict(task.state_dict()), told, recorded), Path(folder))
        return (Path(folder) / CONFIG_FILE).read_bytes(), (Path(folder) / WEIGHTS_FILE).read_bytes()


def _built(path):
    return read_folder(path.parent).build()


def _run_checkpoint():
    file = io.BytesIO()
    torch.save(_RUN, file)
    return file.getvalue()


_TASK = "aape_lightning.tasks.classification.ClassificationTask"
_RUN = {
    "epoch": 1, "global_step": 2, "pytorch-lightning_version": "2.6.0", "loops": {}, "callbacks": {},
    "optimizer_states": [{"state": {}, "param_groups": [{"lr": 0.1, "params": [0]}]}], "lr_schedulers": [],
    "state_dict": {"generator.0.weight": torch.ones(2, WIDTH)},
    "hyper_parameters": {"_class_path": _TASK, "lr": 0.1, "query": "image", "backbone_spec": {"name": "b"}},
}  # fmt: skip


def _hostile_run(content, random):
    if random.random() < 0.5:
        return mutated_bytes(content, random)
    file = io.BytesIO()
    torch.save(altered(_RUN, random), file)
    return file.getvalue()


def folder_parsers(bank):
    """Every kind of file that lies in a folder of ours; `bank` is a whole prompt bank."""
    config, weights = _shared()
    array, told = npy(np.ones((2, 4), np.float32)), as_json(_TOLD)
    index = _index({"embeddings": _ROWS, "names": _names(_NAMES)})
    return {
        "shared-config": Parser(CONFIG_FILE, (config,), _built, beside=((WEIGHTS_FILE, weights),)),
        "shared-weights": Parser(WEIGHTS_FILE, (weights,), _built, mutated_safetensors, ((CONFIG_FILE, config),)),
        "run-checkpoint": Parser(
            "last.ckpt",
            (_run_checkpoint(),),
            lambda path: check_checkpoint(path, _TASK, resumes=True) or True,
            _hostile_run,
        ),
        "modules-clip": Parser(
            "modules.json", as_json(_MODULES), lambda path: path.parent / _clip_module(f"st:{path}", path)
        ),
        "search-index": Parser(
            "i.safetensors", (index,), lambda path: SearchIndex.open(path, _encoder(), verify=True), _hostile_index
        ),
        "store-array": Parser("embeddings.npy", (npy(np.ones((2, 1, WIDTH), np.float32)),), _opened_store, hostile_npy),
        "cache-store": Parser(f"{_STORE}/store.json", told, _listed(2), beside=((f"{_STORE}/embeddings.npy", array),)),
        "cache-array": Parser(
            f"{_STORE}/embeddings.npy", (array,), _listed(2), hostile_npy, ((f"{_STORE}/store.json", told[0]),)
        ),
        "cache-bank": Parser(f"banks/{'b' * 24}.safetensors", (bank,), _listed(1), mutated_safetensors),
        "cache-index": Parser(f"indices/{'c' * 24}.safetensors", (index,), _listed(1), mutated_safetensors),
    }
