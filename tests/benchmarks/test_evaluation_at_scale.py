"""Evaluation of ImageNet's validation images, 50,000 x 1,000 classes, from stored features, against zero-shot CLIP's.

    make bench ARGS="-k evaluation"

Zero-shot CLIP's floor is its matrix product x @ w.T and nothing else. Ours is timed bare (generator and head), and as
`aape test` does it: a Trainer, the DataModule's loader and gathers, the head, torchmetrics. The arithmetic that cannot
be left out is told as the floor: with r = 32 and d = 512 a pair takes (r + 1) r multiplications where zero-shot CLIP's
takes d, and the residual form takes that product too: 2.06 and 3.06 times as many.
"""

import pytest
import torch
from aape_lightning.data.features import Views
from aape_lightning.data.loaded import LoadedImages
from aape_lightning.modules.width import bottleneck_width
from aape_lightning.tasks import ClassificationTask
from measuring import DEVICE, MIB, SMALL, in_turns, peak_memory, random_clip_path, ratio
from synthetic import Sizes, SyntheticData, quiet_trainer, unit

IMAGES, CLASSES, WIDTH = (4_096, 100, 512) if SMALL else (50_000, 1_000, 512)
BATCH = 512
ROUNDS = 2 if SMALL else 5
MEMORY = 1024 * MIB
NAMES = ("bottleneck", "residual")


class TestData(SyntheticData):
    """A test part of as many images as ImageNet's validation set."""

    sizes = Sizes(images=IMAGES, classes=CLASSES, sentences=1, views=1, width=WIDTH)
    __test__ = False

    def setup(self, stage):
        super().setup(stage)
        train = self._parts["train"]
        self._parts["test"] = LoadedImages(
            items=train.items, paths=train.paths, views=Views(), keys=train.keys, features=train.features
        )


def prepared(name):
    """A task away from its start, and its data, set up."""
    torch.manual_seed(0)
    data = TestData("caltech101", root=".", backbone=str(random_clip_path("tiny")))
    data.setup("test")
    spec = dict(data.backbone.spec)
    task = ClassificationTask(projection=name, distillation_weight=0.0, backbone_spec=spec).to(DEVICE)
    torch.nn.init.normal_(task.projection.outer.weight, std=0.1)
    data.setup = lambda stage: None
    return task, data


def through_trainer(task, data):
    """What `aape test` runs; the accuracy."""
    return quiet_trainer(1).test(task, datamodule=data, verbose=False)[0]["test/accuracy"]


def zero_shot(x, w):
    """Zero-shot CLIP's cosines of all images, a batch at a time."""
    for batch in x.split(BATCH):
        batch @ w.T


@torch.inference_mode()
def bare(task, x, w):
    """Logits of all images, a batch at a time, and nothing done with them."""
    for batch in x.split(BATCH):
        task(batch, w)


def prepare_test(name):
    task, data = prepared(name)
    x, part = unit(2, WIDTH), data._parts["test"]
    bare(task, x, data.class_embeddings)
    first = LoadedImages(
        items=part.items[:2], paths=part.paths[:2], views=Views(), keys=part.keys[:2], features=part.features[:2]
    )
    data._parts["test"] = first
    through_trainer(task, data)  # libraries set themselves up
    data._parts["test"] = part
    return lambda: through_trainer(task, data)


def test_the_paths_agree():
    """What is timed is the same evaluation: the accuracy of the test path is that of the bare logits."""
    task, data = prepared("residual")
    part = data._parts["test"]
    with torch.inference_mode():
        x = part.features[:, 0]
        right = sum(
            (task(batch, data.class_embeddings).argmax(1) == label).sum().item()
            for batch, label in zip(x.split(BATCH), part.keys.split(BATCH), strict=True)
        )
    assert through_trainer(task, data) == pytest.approx(right / IMAGES, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_evaluation(benchmark, figures, name):
    """At most 10 times zero-shot CLIP's matrix product through the whole test path, and at most 1 GB."""
    task, data = prepared(name)
    x, w = data._parts["test"].features[:, 0], data.class_embeddings
    functions = {
        "product": lambda: zero_shot(x, w),
        "bare": lambda: bare(task, x, w),
        "trainer": lambda: through_trainer(task, data),
    }
    times = benchmark.pedantic(in_turns, (functions, ROUNDS), rounds=1)
    r = bottleneck_width(WIDTH)
    needed = (r + 1) * r / WIDTH + (name == "residual")
    what = f"{IMAGES:,} images x {CLASSES:,} classes, {name}"
    floor, product = f"{needed:.2f} by arithmetic", times["product"]
    figures.add(f"{what}: generator and head over x @ w.T", ratio(times["bare"], product), "x", bound=10, floor=floor)
    peak = peak_memory(prepare_test, name)
    figures.add(
        f"{what}: `aape test` over x @ w.T", ratio(times["trainer"], product), "x", bound=10, floor=floor, memory=peak
    )
    figures.add(f"{what}: `aape test` over generator and head", ratio(times["trainer"], times["bare"]), "x", floor="1")
    figures.add(f"{what}: peak memory above the features", peak.bytes / MIB, "MiB", bound=MEMORY / MIB)
