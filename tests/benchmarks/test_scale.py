"""Stores and training at the size of ImageNet and of COCO, on made-up embeddings: private memory, and time.

    make bench ARGS="-k scale"                                # 6 GB on disk, removed in the end, and some ten minutes
    AAPE_SCALE_IMAGES=100000 make bench ARGS="-k scale"       # a part of ImageNet

The store is built by the real `FeatureStore` in two processes, from images that cost nothing and a tower that looks its
embeddings up. Training is the real staged `ClassificationTask` under a Trainer: some hundred steps of an epoch a stage,
and the summaries of all images between them, on that store and a bank of 1,000 x 50 sentences, both opened from disk.
Private memory is RssAnon, what a process holds that no file backs, the list of paths included; the pages of mapped
files are the system's to keep or to drop.
"""

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import SimpleNamespace

import pytest
import torch
from aape_lightning.data.features import FeatureStore, Views
from aape_lightning.data.loaded import LoadedImages
from aape_lightning.prompts import PromptBank
from aape_lightning.tasks import ClassificationTask
from lightning.pytorch import Callback
from measuring import DEVICE, GIB, MIB, SMALL, finish, in_turns, peak_memory, peak_of, ratio, seconds
from synthetic import SyntheticData, quiet_trainer, random_clip_path, unit
from torch.nn import functional as F

IMAGES = int(os.environ.get("AAPE_SCALE_IMAGES") or (20_000 if SMALL else 1_281_167))
CLASSES, SENTENCES, WIDTH = (100 if SMALL else 1000), 50, 512
CAPTIONED, CAPTIONS = (5_000 if SMALL else 118_287), 5
BATCH = 256
STEPS = 400  # of each stage; an epoch of ImageNet has 5,004, which take as long each and hold no more
BUILDERS = 2
BOUND = 4 * GIB / MIB  # the issue's


# ---- images that cost nothing ------------------------------------------------------------------------------------


def looked_up(count):
    """The embedding of each image, from a thousand that repeat."""
    table = F.normalize(torch.randn(1000, WIDTH, generator=torch.Generator().manual_seed(0)), dim=-1)
    return table[torch.arange(count) % 1000]


class LookingUp(SimpleNamespace):
    """A backbone whose image tower reads the number that an image's only pixel holds."""

    def __init__(self):
        super().__init__(fingerprint="looked up", embed_dim=WIDTH, input_size=1, table=looked_up(1000))

    def pixel_transform(self, number):
        return torch.full((3, 1, 1), float(number))

    def encode_image(self, images):
        return self.table[images[:, 0, 0, 0].long() % 1000]

    def to(self, device):
        return self


def opener(path):
    return path[-12:-4].lstrip("0") or 0


def all_paths():
    """A list as long as ImageNet's."""
    return [f"train/n{k % CLASSES:08d}/n{k % CLASSES:08d}_{k:08d}.JPEG"[:-1] for k in range(IMAGES)]


def store_of(folder, paths):
    """The store of all images; it hashes the list of paths and sizes, and a size costs nothing here."""
    return FeatureStore(folder / "features", LookingUp(), paths, opener, lambda path: 100_000, Views())


def note(folder, name, value):
    (folder / f"{name}.json").write_text(json.dumps(value))


def noted(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


# ---- what is measured, each in a process of its own ----------------------------------------------------------------


def prepare_build(folder, number):
    torch.set_num_threads(1)

    def build():
        store = store_of(folder, all_paths())
        start = time.perf_counter()
        store.build(torch.device("cpu"), 0)
        note(folder, f"builder-{number}", time.perf_counter() - start)

    return build


def prepare_opening(folder):
    def opening():
        paths = all_paths()
        start = time.perf_counter()
        store = store_of(folder, paths)
        note(folder, "fingerprint", time.perf_counter() - start)
        note(folder, "opening", seconds(store.open))

    return opening


class StoredData(SyntheticData):
    """All images from the store, and their classes' sentences from a bank, both opened from disk."""

    def setup(self, stage):
        self.setup_backbone()
        folder = self.cache_dir
        store, labels = store_of(folder, all_paths()), torch.arange(IMAGES, device=self.device) % CLASSES
        self.class_names = [f"kind {number}" for number in range(CLASSES)]
        self.class_embeddings = unit(CLASSES, WIDTH)
        self.bank = PromptBank.open(folder / "bank.safetensors", self.backbone, verify=True).to(self.device)
        self._parts["train"] = LoadedImages(
            items=store.paths, paths=store.paths, views=Views(), keys=labels, features=store.open().to(self.device)
        )


class Laps(Callback):
    """Milliseconds a step of each stage, and seconds of the summaries between them."""

    def on_train_epoch_start(self, trainer, pl_module):
        self.between = time.perf_counter()  # ahead of the task's own hook, which computes the summaries

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if batch_idx == 0:
            finish()
            self.start = time.perf_counter()

    def on_train_epoch_end(self, trainer, pl_module):
        finish()
        told = trainer.datamodule.cache_dir
        note(told, f"{pl_module.stage} step", (time.perf_counter() - self.start) / trainer.num_training_batches * 1e3)
        note(told, f"before {pl_module.stage}", self.start - self.between)


def prepare_training(folder):
    def train():
        data = StoredData(
            "caltech101", root=".", backbone=str(random_clip_path("tiny")), batch_size=BATCH, cache_dir=str(folder)
        )
        trainer = quiet_trainer(2, Laps(), limit_train_batches=STEPS)
        trainer.fit(ClassificationTask(aggregator_epochs=1), datamodule=data)

    return train


def random_bank(keys, sentences):
    """A bank whose sentences are of a caption's length."""
    texts = [f"a photo of the thing number {k} that somebody wrote about" for k in range(keys * sentences)]
    offsets = torch.arange(0, keys * sentences + 1, sentences)
    return PromptBank(looked_up(keys * sentences), offsets, [f"train2014/{k:012d}.jpg" for k in range(keys)], texts)


def named(name):
    """What a bank must know of its backbone."""
    return SimpleNamespace(fingerprint=name, name=name)


def prepare_bank(folder):
    def opening():
        start = time.perf_counter()
        bank = PromptBank.open(folder / "captions.safetensors", named("captions"), verify=True).to(DEVICE)
        keys = torch.randint(CAPTIONED, (BATCH,), device=DEVICE)
        bank.gather(keys)
        finish()
        note(folder, "bank", time.perf_counter() - start)

    return opening


# ---- figures -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Holds all that is built; removed in the end, for it is large."""
    path = tmp_path_factory.mktemp("scale")
    yield path
    for file in sorted(path.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()


@pytest.fixture(scope="module")
def built(folder):
    """Peak memory of the two builders."""
    with ProcessPoolExecutor(BUILDERS, mp_context=get_context("spawn")) as pool:
        peaks = [pool.submit(peak_of, prepare_build, folder, number) for number in range(BUILDERS)]
        return [peak.result() for peak in peaks]


def test_scale_building(benchmark, figures, folder, built):
    """A store of ImageNet's size by two processes, and its opening, ahead of which its list of files is hashed."""
    build = max(noted(folder, f"builder-{number}") for number in range(BUILDERS))
    peak = max(built, key=lambda one: one.private)
    name = f"store of {IMAGES:,} images"
    of_each = f"{name} by {BUILDERS} processes: private memory of each"
    figures.add(of_each, peak.private / MIB, "MiB", bound=BOUND, memory=peak)
    figures.add(f"{name} by {BUILDERS} processes: images a second", IMAGES / build, "1/s", floor="a tower for nothing")
    opened = benchmark.pedantic(lambda: store_of(folder, all_paths()).open(), rounds=1)
    rows = torch.randint(IMAGES, (5000,))
    assert opened.shape == (IMAGES, 1, WIDTH)
    assert torch.equal(opened[rows, 0], looked_up(1000)[rows % 1000])
    peak = peak_memory(prepare_opening, folder)
    figures.add(f"{name}: fingerprint of the list of files", noted(folder, "fingerprint"), "s")
    figures.add(f"{name}: opening", noted(folder, "opening") * 1e3, "ms", memory=peak)
    figures.add(f"{name}: private memory, opened", peak.private / MIB, "MiB", bound=BOUND, floor="the list of paths")


def test_scale_training(benchmark, figures, folder, built):
    """Steps of each stage, and the summaries of all images between them."""
    from aape_lightning.backbones import load_backbone

    random_bank(CLASSES, SENTENCES).save(folder / "bank.safetensors", load_backbone(str(random_clip_path("tiny"))))
    peak = benchmark.pedantic(peak_memory, (prepare_training, folder), rounds=1)
    name = f"{IMAGES:,} images, {CLASSES} x {SENTENCES} sentences, B={BATCH}"
    figures.add(f"{name}: private memory", peak.private / MIB, "MiB", bound=BOUND, memory=peak)
    for stage in ("aggregator", "generator"):
        step = noted(folder, f"{stage} step")
        figures.add(f"{name}: {stage} step", step, "ms")
        figures.add(f"{name}: {stage} epoch, by its steps", step / 1e3 * (IMAGES // BATCH), "s")
    figures.add(f"{name}: summaries", noted(folder, "before generator"), "s")


def test_scale_captions(benchmark, figures, folder):
    """A bank of COCO's size: its opening, and a gather, which must not depend on how many keys there are."""
    large, small = random_bank(CAPTIONED, CAPTIONS), random_bank(1000, CAPTIONS)
    large.save(folder / "captions.safetensors", named("captions"))
    peak = peak_memory(prepare_bank, folder)
    banks = {"large": large.to(DEVICE), "small": small.to(DEVICE)}
    keys = {name: torch.randint(len(bank.keys), (BATCH,), device=DEVICE) for name, bank in banks.items()}
    gathers = {name: lambda name=name: banks[name].gather(keys[name]) for name in banks}
    times = benchmark.pedantic(in_turns, (gathers,), {"rounds": 15, "calls": 10}, rounds=1)
    name = f"bank of {CAPTIONED:,} x {CAPTIONS} captions"
    figures.add(f"{name}: opening, checked by its hash, and one gather", noted(folder, "bank"), "s", memory=peak)
    figures.add(f"{name}: private memory", peak.private / MIB, "MiB", bound=BOUND)
    figures.add(f"{name}: gather of {BATCH} over that of 1,000 keys", ratio(times["large"], times["small"]), "x")
