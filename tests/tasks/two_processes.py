"""Fits and tests on the toy dataset and writes down what came out; run as a script, in as many processes as asked for.

python two_processes.py ROOT BACKBONE OUT PROCESSES
"""

import json
import sys
from pathlib import Path

import torch
from aape_lightning.callbacks import Curves, PredictionWriter, RunFiles
from aape_lightning.data import ClassificationDataModule
from aape_lightning.tasks import ClassificationTask
from lightning.pytorch import Callback, Trainer, seed_everything

GLOBAL_BATCH = 4
RUNS = {
    "staged": ({"aggregator_epochs": 2}, {"views": 2}),
    "joint": ({"schedule": "joint", "projection": "bottleneck"}, {}),
    "mlp": ({"aggregator": "mlp", "projection": "none", "aggregator_epochs": 2}, {}),
    "no distillation": ({"distillation_weight": 0.0, "aggregator_epochs": 2}, {"store": False}),
}


class Seen(Callback):
    """The indices of the images that this process tested."""

    def __init__(self):
        self.index = []

    def on_test_batch_end(self, trainer, task, outputs, batch, batch_idx, dataloader_idx=0):
        self.index += batch["index"].tolist()


def run(root, backbone, out, processes):
    """Every run of `RUNS`: a folder with its weights, its curves, its accuracy and what each process tested."""
    torch.set_num_threads(1)
    for name, (settings, choices) in RUNS.items():
        folder, curves, seen = Path(out) / name, Curves(), Seen()
        seed_everything(3)
        task = ClassificationTask(**settings)
        data = ClassificationDataModule(
            str(Path(root) / "toy.yaml"),
            str(root),
            backbone=str(backbone),
            prompts="llm",
            shots=4,
            num_workers=0,
            batch_size=GLOBAL_BATCH // processes,
            **choices,
        )
        trainer = Trainer(
            accelerator="cpu",
            devices=processes,
            strategy="ddp" if processes > 1 else "auto",
            max_epochs=5,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            callbacks=[curves, seen, RunFiles(str(folder), every_seconds=0.0), PredictionWriter(str(folder))],
        )
        trainer.fit(task, datamodule=data)
        tested = trainer.test(task, datamodule=data, verbose=False)[0]
        trainer.predict(task, datamodule=data, return_predictions=False)
        found = {"curves": curves.values, "tested": tested, "index": seen.index}
        (folder / f"found-{trainer.global_rank}.json").write_text(json.dumps(found))
        trainer.strategy.barrier()


if __name__ == "__main__":
    run(*sys.argv[1:4], int(sys.argv[4]))
