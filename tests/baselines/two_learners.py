"""Fits prompt learners on the toy dataset and writes down their weights; in as many processes as asked for.

python two_learners.py ROOT BACKBONE OUT PROCESSES
"""

import sys
from pathlib import Path

import torch
from aape_lightning.baselines import CoCoOpTask, KgCoOpTask, ProGradTask
from aape_lightning.data import ClassificationDataModule
from lightning.pytorch import seed_everything

sys.path.append(str(Path(__file__).parents[1] / "tasks"))
from launching import trainer_in

GLOBAL_BATCH = 4
LEARNERS = {"cocoop": CoCoOpTask, "kgcoop": KgCoOpTask, "prograd": ProGradTask}


def run(root, backbone, out, processes):
    """Every learner: its parameters after three epochs, and the accuracy of a test."""
    torch.set_num_threads(1)
    for name, learner in LEARNERS.items():
        seed_everything(3)
        task = learner(lr=0.02, context="a photo of a")
        data = ClassificationDataModule(
            str(Path(root) / "toy.yaml"),
            str(root),
            backbone=str(backbone),
            prompts="llm",
            shots=4,
            num_workers=0,
            batch_size=GLOBAL_BATCH // processes,
        )
        trainer = trainer_in(
            processes,
            max_epochs=3,
        )
        trainer.fit(task, datamodule=data)
        tested = trainer.test(task, datamodule=data, verbose=False)[0]["test/accuracy"]
        torch.save({"weights": task.state_dict(), "tested": tested}, Path(out) / f"{name}-{trainer.global_rank}.pt")
        trainer.strategy.barrier()


if __name__ == "__main__":
    run(*sys.argv[1:4], int(sys.argv[4]))
