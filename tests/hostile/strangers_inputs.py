"""Files that commands are given: predictions and what they are scored against, embeddings, journals, lists of texts."""

import io
from argparse import Namespace
from contextlib import redirect_stdout

import numpy as np
import torch
from aape_lightning.commands.class_lists import chosen_classes, chosen_templates
from aape_lightning.commands.metrics.caption import run_caption
from aape_lightning.commands.metrics.retrieval import run_retrieval
from aape_lightning.commands.metrics.vqa import run_vqa
from aape_lightning.data.readers.fgvc import read_fgvc_split
from aape_lightning.data.text_sources import read_documents
from aape_lightning.prompts.generation.journal import Journal
from aape_lightning.prompts.generation.questions import question_set
from aape_lightning.prompts.generation.requests import Sampling
from aape_lightning.protocols.targets import default_targets
from file_parser import Parser, as_json
from mutations import mutated_safetensors
from safetensors.torch import save
from strangers_folders import hostile_npy, npy

_CAPTIONS = [{"image_id": 1, "caption": "A dog."}, {"image_id": "2", "caption": ""}]
_REFERENCES = {
    "images": [{"id": 1, "file_name": "a.jpg"}, {"id": "2", "file_name": "b.jpg"}],
    "annotations": [{"image_id": 1, "caption": "A dog."}, {"image_id": "2", "caption": "A \U0001f408 cat."}],
}
_ANSWERS = [{"question_id": 7, "answer": "cat"}, {"question_id": "8", "answer": "2"}]
_ANNOTATIONS = {
    "annotations": [
        {"question_id": 7, "answers": [{"answer": "cat"}] * 10, "answer_type": "other", "question_type": "what is"},
        {"question_id": "8", "answers": [{"answer": "two", "answer_id": 1}] * 10},
    ]
}
_REPLY = (
    b'{"model":"m","temperature":0.5,"max_tokens":50,"class_name":"dog","question":"What is a dog?",'
    b'"answers":[{"text":"An animal.","finish":"stop"}],"tokens_in":9,"tokens_out":3}\n'
)
_RECIPE = b"""\
model: {class_path: ClassificationTask, init_args: {lr: 1.0e-3}}
data: {class_path: ClassificationDataModule, init_args: {manifest: pacs/photo, shots: 16}}
trainer: {max_epochs: 2}
"""
_TABLE = np.eye(2, 4, dtype=np.float32)
_TENSOR = save({"embeddings": torch.from_numpy(_TABLE)})


def _scored(command, **given):
    """What runs a command of `aape metrics` on a file and on those beside it; None stands for the file."""

    def run(path):
        options = {name: path if value is None else path.parent / value for name, value in given.items()}
        others = {"partial": False, "tokenizer": "simple", "meteor": False, "images": None, "backbone": None}
        with redirect_stdout(io.StringIO()):
            command(Namespace(**{"out": None, "owner": None} | others | options))
        return True

    return run


def _journal(path):
    journal = Journal(path, "m", Sampling(0.5, 50))
    return [journal.replies(request) for request in journal._replies]


def input_parsers():
    """Every kind of file that a command is given."""
    table, images = npy(_TABLE), (("i.npy", npy(_TABLE)),)
    return {
        "predictions-caption": Parser(
            "p.json",
            as_json(_CAPTIONS),
            _scored(run_caption, predictions=None, known="r.json"),
            beside=(("r.json", *as_json(_REFERENCES)),),
        ),
        "references-caption": Parser(
            "r.json",
            as_json(_REFERENCES),
            _scored(run_caption, predictions="p.json", known=None),
            beside=(("p.json", *as_json(_CAPTIONS)),),
        ),
        "predictions-vqa": Parser(
            "p.json",
            as_json(_ANSWERS),
            _scored(run_vqa, predictions=None, known="a.json"),
            beside=(("a.json", *as_json(_ANNOTATIONS)),),
        ),
        "references-vqa": Parser(
            "a.json",
            as_json(_ANNOTATIONS),
            _scored(run_vqa, predictions="p.json", known=None),
            beside=(("p.json", *as_json(_ANSWERS)),),
        ),
        "embeddings-npy": Parser(
            "c.npy", (table,), _scored(run_retrieval, images="i.npy", captions=None), hostile_npy, images
        ),
        "embeddings-tensors": Parser(
            "c.safetensors",
            (_TENSOR,),
            _scored(run_retrieval, images="i.npy", captions=None),
            mutated_safetensors,
            images,
        ),
        "owner-json": Parser(
            "o.json",
            as_json([0, 1]),
            _scored(run_retrieval, images="i.npy", captions="i.npy", owner=None),
            beside=images,
        ),
        "owner-npy": Parser(
            "o.npy",
            (npy(np.array([0, 1])),),
            _scored(run_retrieval, images="i.npy", captions="i.npy", owner=None),
            hostile_npy,
            images,
        ),
        "journal": Parser("j.jsonl", (_REPLY, _REPLY * 3), _journal),
        "questions-text": Parser("q.txt", (b"# ours\nWhat is {a} {}?\n",), lambda path: question_set(str(path), "d")),
        "templates": Parser("t.txt", (b"a photo of a {}.\na {}.\n",), lambda path: chosen_templates([str(path)])),
        "class-list": Parser("c.txt", (b"dog\ncat\n",), lambda path: chosen_classes([str(path)])),
        "class-sentences": Parser(
            "c.json", as_json({"dog": ["A dog."], "cat": ["A cat."]}), lambda path: chosen_classes([str(path)])
        ),
        "documents": Parser(
            "d.txt", (b"A dog.\nA cat.\n" * 3,), lambda path: read_documents([str(path)], held_out=0.5)
        ),
        "split-variants": Parser(
            "images_variant_train.txt",
            (b"0034 F-16A/B\n0035 707-320\n",),
            lambda path: read_fgvc_split(path.parent),
            beside=tuple(
                [("variants.txt", b"F-16A/B\n707-320\n")]
                + [(f"images_variant_{part}.txt", b"1 707-320\n") for part in ("val", "test")]
            ),
        ),
        "recipe-manifest": Parser(
            "r.yaml", (_RECIPE,), lambda path: default_targets("domain-generalization", str(path))
        ),
    }
