"""Fits, tests and predicts on the toy dataset and writes down what came out, in as many processes as asked for.

python many_processes.py ROOT BACKBONE OUT PROCESSES
"""

import json
import sys
from pathlib import Path

import torch
from aape_lightning.backbones.base import FrozenBackbone
from aape_lightning.callbacks import Curves, PredictionWriter, RunFiles
from aape_lightning.data import ClassificationDataModule, RetrievalDataModule
from aape_lightning.tasks import ClassificationTask, RetrievalTask
from launching import trainer_in
from lightning.pytorch import Callback, seed_everything
from lightning.pytorch.plugins import TorchCheckpointIO

GLOBAL_BATCH = 8
CLASSIFICATION = {
    "staged": ({"aggregator_epochs": 2}, {"views": 2}, {}),
    "joint": ({"schedule": "joint", "projection": "bottleneck"}, {}, {}),
    "mlp": ({"aggregator": "mlp", "projection": "none", "aggregator_epochs": 2}, {}, {}),
    "no distillation": ({"distillation_weight": 0.0, "aggregator_epochs": 2}, {"store": False}, {}),
    "accumulated": ({"aggregator_epochs": 2}, {}, {"accumulate_grad_batches": 2}),
    "bf16-mixed": ({"aggregator_epochs": 2}, {}, {"precision": "bf16-mixed"}),
}
RETRIEVAL = {
    "retrieval": ({"aggregator_epochs": 2}, {}, {}),
    "joint retrieval": ({"schedule": "joint", "retrieve_with": "residual"}, {"views": 2}, {}),
}
RUNS = CLASSIFICATION | RETRIEVAL


class Seen(Callback):
    """The indices of the images that this process tested."""

    def __init__(self):
        self.index = []

    def on_test_batch_end(self, trainer, task, outputs, batch, batch_idx, dataloader_idx=0):
        self.index += batch["index"].tolist()


class Counting:
    """The images and texts that this process has put through a tower, and the checkpoints that it has written."""

    def __init__(self):
        self.counts = {"images": 0, "texts": 0, "checkpoints": 0}
        self.count(FrozenBackbone, "encode_image", "images", len)
        self.count(FrozenBackbone, "encode_text", "texts", len)
        self.count(TorchCheckpointIO, "save_checkpoint", "checkpoints", lambda checkpoint: 1)

    def count(self, owner, name, what, size):
        counted = getattr(owner, name)

        def call(instance, given, *args, **kwargs):
            self.counts[what] += size(given)
            return counted(instance, given, *args, **kwargs)

        setattr(owner, name, call)

    def taken(self):
        """The counts since they were last taken."""
        taken, self.counts = self.counts, dict.fromkeys(self.counts, 0)
        return taken


def made(name, root, backbone, cache, processes):
    """A run's task and DataModule."""
    settings, choices, _ = RUNS[name]
    common = {
        "root": str(root),
        "backbone": str(backbone),
        "num_workers": 0,
        "batch_size": GLOBAL_BATCH // processes // RUNS[name][2].get("accumulate_grad_batches", 1),
        "cache_dir": str(cache),
    }
    if name in RETRIEVAL:
        data = RetrievalDataModule(str(Path(root) / "toy_captions.yaml"), **common, **choices)
        return RetrievalTask(**settings), data
    data = ClassificationDataModule(str(Path(root) / "toy.yaml"), prompts="llm", shots=4, **common, **choices)
    return ClassificationTask(**settings), data


def run(root, backbone, out, processes):
    """Every run of `RUNS`: a folder with its files, and of each process its curves, what it tested and its counts."""
    torch.set_num_threads(1)
    counting = Counting()
    for name, (_, _, changes) in RUNS.items():
        folder, curves, seen = Path(out) / name, Curves(), Seen()
        seed_everything(3)
        task, data = made(name, root, backbone, Path(out) / "cache", processes)
        trainer = trainer_in(
            processes,
            max_epochs=5,
            callbacks=[curves, seen, RunFiles(str(folder), every_seconds=0.0), PredictionWriter(str(folder))],
            **changes,
        )
        trainer.fit(task, datamodule=data)
        tested = trainer.test(task, datamodule=data, verbose=False)[0]
        trainer.predict(task, datamodule=data, return_predictions=False)
        found = {"curves": curves.values, "tested": tested, "index": seen.index, "steps": trainer.global_step}
        found |= {"outcomes": getattr(task, "outcomes", None)}
        (folder / f"found-{trainer.global_rank}.json").write_text(json.dumps(found | counting.taken()))
        trainer.strategy.barrier()


if __name__ == "__main__":
    run(*sys.argv[1:4], int(sys.argv[4]))
