"""Every file that a user or a stranger can hand in: whole ones to begin with, and what reads them."""

import io
import json
import pickle
from functools import cache

import torch
from aape_lightning.data.draw_files import read_draw
from aape_lightning.data.draw_pickles import Datum
from aape_lightning.data.manifests.guess import guess_manifest
from aape_lightning.data.manifests.load import read_manifest
from aape_lightning.data.manifests.names_file import read_names_file
from aape_lightning.data.readers import read_caption_split, read_question_split
from aape_lightning.data.readers.split import read_coop_split
from aape_lightning.data.readers.tables import read_csv_split
from aape_lightning.data.schema import CaptionManifest, QuestionManifest
from aape_lightning.data.schema.classes import CsvSplit
from aape_lightning.data.splits import Item, Split
from aape_lightning.inference.saved import read_saved
from aape_lightning.prompts.bank import PromptBank, _hash, _pack
from aape_lightning.prompts.captions import read_captions
from aape_lightning.prompts.generation.questions import question_set
from aape_lightning.prompts.sources import read_sentences
from aape_lightning.protocols.examples import read_examples
from aape_lightning.protocols.explanations import read_explanations
from aape_lightning.protocols.outcomes import read_outcomes
from aape_lightning.protocols.results import Result
from aape_lightning.protocols.written import read_written
from fake_backbone import BACKBONE, WIDTH
from file_parser import Parser, as_json
from mutations import altered, mutated_safetensors
from safetensors.torch import save
from strangers_folders import folder_parsers
from strangers_images import image_parsers
from strangers_inputs import input_parsers
from strangers_recipes import recipe_parsers

_SPLIT = {"train": [["a/1.jpg", 0, "dog"], ["b/2.jpg", 1, "cat"]], "val": [], "test": [["a/3.jpg", 0, "dog"]]}
_COCO = {
    "images": [{"id": 1, "file_name": "a.jpg"}, {"id": "2", "file_name": "b.jpg"}],
    "annotations": [{"image_id": 1, "caption": "A dog."}, {"image_id": "2", "caption": "A \U0001f408 cat."}],
}
_KARPATHY = {
    "images": [
        {"filename": "a.jpg", "filepath": "x", "cocoid": 1, "split": "train", "sentences": [{"raw": "A.", "x": 1}]},
        {"filename": "b.jpg", "imgid": 2, "split": "test", "sentences": [{"raw": "A cat."}]},
    ]
}  # fmt: skip
_TABLE = b'path,label,split,caption\na/1.jpg,dog,train,"A dog, here."\nb/2.jpg,cat,val,A cat.\na/3.jpg,dog,test,Dogs.\n'
_CSV_CAPTIONS = b'image,caption\na.jpg,"A dog, here."\nb.jpg,A cat.\n'
_QUESTIONS = {"questions": [{"question_id": 7, "image_id": 42, "question": "What?"}]}
_ANNOTATIONS = {
    "annotations": [{"question_id": 7, "answers": [{"answer": "cat"}, {"answer": "dog"}], "answer_type": "other"}]
}
_DRAW = {"train": ["a/1.jpg"], "val": ["b/2.jpg"]}
_DRAWN = Split(["dog", "cat"], [Item("a/1.jpg", 0)], [Item("b/2.jpg", 1)], [])
_RESULT = {
    "protocol": "test", "recipe": "r", "dataset": "d", "method": "m", "seed": 1, "metrics": {"all/accuracy": 0.5},
    "config_hash": "x", "curves": {"train/loss": [1.0, 0.5]}, "setting": {"data.shots": 4}, "versions": {"torch": "2"},
    "config": {"model": {"lr": 0.001}},
}  # fmt: skip
_EXAMPLES = (
    {"kind": "captioning", "examples": [{"image": "a", "degradation": "none", "caption": "c", "references": ["r"]}]},
    {"kind": "vqa", "examples": [
        {"image": "a", "degradation": "blur", "question": "q", "answer": "a", "answers": ["a"], "shots": None}]},
    {"kind": "retrieval", "examples": [{"image": "a", "degradation": "none", "query": None, "truth": ["t"],
                                        "retrieved": [{"score": 0.5, "correct": True, "text": "t"}]}]},
)  # fmt: skip
_SENTENCE = {"text": "s", "share": 0.5}
_EXPLANATIONS = {"manifest": "d", "root": None, "parts": [{
    "classes": "base",
    "images": [{"image": "a", "label": "dog", "choices": [{"name": "dog", "probability": 0.9}],
                "attended": [_SENTENCE], "others": 1, "others_share": 0.5}],
    "by_class": [{"name": "dog", "images": 1, "sentences": 2, "half": 1, "most": [_SENTENCE], "least": [_SENTENCE],
                  "cosines": {"image_mean": 0.1, "image_aape": 0.2, "mean_aape": 0.3, "summary_aape": 0.4}}],
}]}  # fmt: skip
_OUTCOMES = {"all": {"classes": ["dog", "cat"], "images": [2, 2], "correct": [1, 2], "confusions": [[0, 1, 1]],
                     "reliability": [[1, 3], [1, 2], [1, 3]]}}  # fmt: skip
_CLASS_MANIFEST = b"""\
name: toy
title: Toy
folder: [toy, Toy]
images: images
split: {format: coop, file: split.json}
class_names: &names [dog, cat]
templates: ["a photo of a {}."]
template_sets: {more: ["a {}.", "the {}."]}
prompts: {cupl: {file: x.json, aliases: {hound: dog}}}
counts: {classes: 2, train: 10}
"""
_FOLDERS_MANIFEST = b"""\
name: toy
split: {format: folders, parts: {train: tr, test: te}, cut: {train: 0.8, val: 0.2, seed: 1}}
class_names: names.txt
domains: {photo: {classes: 2, train: 3}, sketch: {classes: 2}}
counts: {classes: 2}
"""
_CAPTION_MANIFEST = b"kind: captions\nname: c\nsplit: {format: coco, files: {train: a.json}, prefixes: {train: x}}\n"
_VQA_MANIFEST = (
    b"kind: questions\nname: q\nsplit:\n  format: vqa\n  questions: {val: q.json}\n  images: {val: 'v_{:012d}.jpg'}\n"
)
_WRITTEN = b"""\
protocol: sweep
recipes: [shapes]
methods: [aape]
seeds: [1, 2]
vary: {model.lr: [1.0e-3, 2]}
keys: {data.shots: 4}
"""


def _captions(**split):
    return CaptionManifest(kind="captions", name="c", split=split)


def _reads_captions(**split):
    return lambda path: read_caption_split(_captions(**split), path.parent)


def _reads_questions(**split):
    return lambda path: read_question_split(QuestionManifest(kind="questions", name="q", split=split), path.parent)


def _datum(path):
    found = Datum()
    found._impath, found._label = path, 0
    return found


def _pickles():
    drawn = {part: [_datum(f"/mnt/{path}") for path in paths] for part, paths in _DRAW.items()}
    where = Datum.__module__.encode()
    return tuple(
        _renamed(pickle.dumps(drawn, protocol), where) for protocol in (2, 4)
    )  # fmt: skip


def _renamed(content, module):
    """A pickle that names Dassl's module, whose name is longer by some bytes than ours."""
    theirs = b"dassl.data.datasets.base_dataset"
    named = content.replace(b"c" + module, b"c" + theirs).replace(
        b"\x8c" + bytes([len(module)]) + module, b"\x8c" + bytes([len(theirs)]) + theirs
    )
    frame = named.find(b"\x95")
    if named[:2] == b"\x80\x04" and frame == 2:
        named = named[:3] + (len(named) - 11).to_bytes(8, "little") + named[11:]
    return named


def _bank(keys=("dog", "cat"), texts=("A dog.", "A cat."), offsets=(0, 1, 2), rows=2, width=WIDTH, dtype=torch.float32):
    tensors = {
        "embeddings": torch.ones(2, WIDTH),
        "offsets": torch.tensor([0, 1, 2]),
        "texts": _pack(["A dog.", "A cat."]),
        "keys": _pack(["dog", "cat"]),
    }
    return _saved_bank(tensors)


def _saved_bank(tensors):
    """A bank with hashes of what it holds: a stranger can compute them as well."""
    metadata = {"format": "aape-prompt-bank-2", "backbone": "f" * 64, "backbone_name": "fake"}
    try:
        metadata["texts"] = _hash(tensors[name] for name in ("offsets", "texts", "keys"))
        metadata["embeddings"] = _hash([tensors["embeddings"]])
    except (KeyError, TypeError):
        metadata |= {"texts": "", "embeddings": ""}
    return save(tensors, metadata)


def _hostile_bank(content, random):
    if random.random() < 0.4:
        return mutated_safetensors(content, random)
    texts, keys = (altered(value, random) for value in (["A dog.", "A cat."], ["dog", "cat"]))
    packed = [torch.tensor(list(json.dumps(value).encode()), dtype=torch.uint8) for value in (texts, keys)]
    kinds = (torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool)
    tensors = {
        "embeddings": torch.ones(random.choice([(2, 4), (0, 4), (3, 4), (4,), (2, 0)])).to(random.choice(kinds)),
        "offsets": torch.tensor(random.choice([[0, 1, 2], [0, 1, 2], [0, 9, 2], [-1, 1, 2], [2, 1, 0], [], [[0]], 0])),
        "texts": packed[0] if random.random() < 0.5 else _pack(["A dog.", "A cat."]),
        "keys": packed[1] if random.random() < 0.5 else _pack(["dog", "cat"]),
    }
    if random.random() < 0.1:
        del tensors[random.choice(sorted(tensors))]
    return _saved_bank(tensors)


_CHECKPOINT = {
    "state_dict": {"generator.0.weight": torch.ones(2, 4)},
    "hyper_parameters": {
        "_class_path": "aape_lightning.tasks.classification.ClassificationTask",
        "backbone_spec": {"name": "b", "fingerprint": "f", "embed_dim": 4, "logit_scale": 1.0},
        "hidden": 2,
    },
    "inference": {
        "values": {"dataset": "d", "class_names": ["dog"]},
        "tensors": {"class_embeddings": torch.ones(1, 4)},
    },
}


def _checkpoint(content=None):
    file = io.BytesIO()
    torch.save(_CHECKPOINT if content is None else content, file)
    return file.getvalue()


def _hostile_checkpoint(content, random):
    if random.random() < 0.5:
        for _ in range(random.choice((1, 5, 50))):
            place = random.randrange(len(content))
            content = content[:place] + random.randbytes(1) + content[place + 1 :]
        return content[: random.randrange(len(content))] if random.random() < 0.2 else content
    return _checkpoint(altered(_CHECKPOINT, random))


@cache
def parsers():
    """Every kind of file, by name."""
    csv = CsvSplit(format="csv", file="t.csv", split="split", captions=["caption"])
    names = (("names.txt", b"n1 dog\nn2 cat\n"),)
    flickr = (("captions.csv", _CSV_CAPTIONS),)
    return {
        "manifest": Parser(
            "m.yaml",
            (_CLASS_MANIFEST, _FOLDERS_MANIFEST, _CAPTION_MANIFEST, _VQA_MANIFEST),
            lambda path: read_manifest(str(path)),
            beside=names,
        ),
        "manifest-guessed-json": Parser("s.json", as_json(_SPLIT), guess_manifest),
        "manifest-guessed-csv": Parser("t.csv", (_TABLE,), guess_manifest),
        "class-names": Parser("names.txt", names[0][1:], lambda path: read_names_file(path, keyed=True)),
        "split-coop": Parser("s.json", as_json(_SPLIT), read_coop_split),
        "split-csv": Parser("t.csv", (_TABLE,), lambda path: read_csv_split(path, csv, None)),
        "sentences": Parser(
            "p.json",
            as_json(
                {"dog": ["A dog."], "cat": ["A cat.", "Cats."]},
                {"dog": ["two legs"]},
                {"d": {"dog": ["A dog."]}, "e": {}},
            ),
            lambda path: read_sentences(path, dataset="d"),
        ),
        "captions": Parser(
            "c.txt",
            (
                *as_json(_COCO, _KARPATHY),
                _CSV_CAPTIONS,
                b"image_name| comment_number| comment\na.jpg| 0| A dog.\nb.jpg| 1 A cat.\n",
                b"a.jpg#0\tA dog.\na.jpg#1\tDogs.\n",
            ),
            read_captions,
        ),
        "split-karpathy": Parser("k.json", as_json(_KARPATHY), _reads_captions(format="karpathy", file="k.json")),
        "split-coco": Parser("c.json", as_json(_COCO), _reads_captions(format="coco", files={"train": "c.json"})),
        "split-captions-csv": Parser("t.csv", (_TABLE,), _reads_captions(format="csv", file="t.csv")),
        "split-flickr-json": Parser(
            "s.json",
            as_json({"train": ["a.jpg"], "test": ["b"]}),
            _reads_captions(format="flickr", file="captions.csv", split="s.json"),
            beside=flickr,
        ),
        "split-flickr-text": Parser(
            "s.txt",
            (b"a.jpg\nb\n",),
            _reads_captions(format="flickr", file="captions.csv", split={"train": "s.txt"}),
            beside=flickr,
        ),
        "vqa-questions": Parser(
            "q.json",
            as_json(_QUESTIONS),
            _reads_questions(format="vqa", questions={"val": "q.json"}, images={"val": "{:012d}.jpg"}),
        ),
        "vqa-annotations": Parser(
            "a.json",
            as_json(_ANNOTATIONS),
            _reads_questions(
                format="vqa", questions={"val": "q.json"}, annotations={"val": "a.json"}, images={"val": "{:012d}.jpg"}
            ),
            beside=(("q.json", as_json(_QUESTIONS)[0]),),
        ),
        "questions-csv": Parser(
            "q.csv",
            (b'image,question,answer\na.jpg,What?,"a, b"\nb,Who?,c\n',),
            _reads_questions(format="csv", files={"test": "q.csv"}, separator=","),
            beside=(("b.png", b""),),
        ),
        "draw-json": Parser(
            "d.json",
            as_json(_DRAW, {part: {"data": [{"impath": path} for path in paths]} for part, paths in _DRAW.items()}),
            lambda path: read_draw(path, _DRAWN),
        ),
        "draw-pickle": Parser("d.pkl", _pickles(), lambda path: read_draw(path, _DRAWN)),
        "bank": Parser(
            "b.safetensors",
            (_bank(),),
            lambda path: PromptBank.open(path, BACKBONE, verify=True),
            mutate=_hostile_bank,
        ),
        "checkpoint": Parser("c.ckpt", (_checkpoint(),), read_saved, mutate=_hostile_checkpoint),
        "result": Parser("result.json", as_json(_RESULT), Result.read),
        "examples": Parser(
            "examples.json", as_json(*({"manifest": "d", "root": None} | part for part in _EXAMPLES)), read_examples
        ),
        "explanations": Parser("explanations.json", as_json(_EXPLANATIONS), read_explanations),
        "outcomes": Parser("outcomes.json", as_json(_OUTCOMES), read_outcomes),
        "protocol": Parser("w.yaml", (_WRITTEN,), lambda path: read_written(str(path))),
        "question-set": Parser(
            "q.yaml",
            (b"general: ['What is a {}?']\nd: ['Describe a {}.']\n",),
            lambda path: question_set(str(path), "d"),
        ),
        **folder_parsers(_bank()),
        **image_parsers(),
        **input_parsers(),
        **recipe_parsers(),
    }
