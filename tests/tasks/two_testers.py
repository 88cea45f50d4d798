"""Fits and tests retrieval and captioning on the toy dataset, and writes down what came out.

python two_testers.py ROOT BACKBONE OUT PROCESSES
"""

import json
import sys
from pathlib import Path

import torch
from aape_lightning.callbacks import RunFiles
from aape_lightning.data import CaptioningDataModule, RetrievalDataModule
from aape_lightning.tasks import CaptioningTask, RetrievalTask
from launching import trainer_in
from lightning.pytorch import seed_everything

RUNS = {
    "retrieval": (RetrievalTask, {"aggregator_epochs": 1}, RetrievalDataModule, {}),
    "captioning": (
        CaptioningTask,
        {"aggregator_epochs": 1, "language_model": "shapes-lm"},
        CaptioningDataModule,
        {"prompt": "", "decoding": {"max_new_tokens": 6}, "degradations": ["none", "blur"], "tokenizer": "simple"},
    ),
}


def made(name, root, backbone, processes, folder=None):
    """The DataModule and the Trainer of a run."""
    _, _, module, choices = RUNS[name]
    data = module(
        str(Path(root) / "toy_captions.yaml"),
        root=str(root),
        backbone=str(backbone),
        batch_size=4,
        num_workers=0,
        **choices,
    )
    trainer = trainer_in(
        processes,
        max_epochs=2,
        callbacks=[RunFiles(str(folder))] if folder else [],
    )
    return data, trainer


def run(root, backbone, out, processes):
    """Every run of `RUNS`: a folder with its checkpoint and each process's results."""
    torch.set_num_threads(1)
    for name, (task_class, settings, _, _) in RUNS.items():
        folder = Path(out) / name
        seed_everything(3)
        data, trainer = made(name, root, backbone, processes, folder)
        task = task_class(**settings)
        trainer.fit(task, datamodule=data)
        tested = trainer.test(task, datamodule=data, verbose=False)[0]
        found = {"tested": tested, "examples": task.examples()}
        (folder / f"found-{trainer.global_rank}.json").write_text(json.dumps(found))
        trainer.strategy.barrier()


if __name__ == "__main__":
    run(*sys.argv[1:4], int(sys.argv[4]))
