"""Frozen towers at work: stores, training on augmented images, and inference, against the bare tower.

    make bench ARGS="-k towers"

Three things are timed in turns over the same images of Caltech-101 (112 pixels): the work itself, the bare image tower
on batches that are transformed already, and bare decoding and transforming on all cores. Where CPU cores serve both,
nothing can be faster than the sum of the two; on a GPU, than the greater of them.
"""

import time

import pytest
import torch
from aape_lightning.backbones import load_backbone
from aape_lightning.data import ClassificationDataModule, FeatureStore, Views, load_manifest, read_split
from aape_lightning.data.encoding import _IMAGES_PER_PASS, _IMAGES_PER_PASS_ON_CUDA
from aape_lightning.data.images import image_access
from aape_lightning.files import default_workers
from aape_lightning.modules import Generator, build_projection
from aape_lightning.tasks import ClassificationTask
from lightning.pytorch import Callback
from measuring import DEVICE, SMALL, finish, in_turns, random_clip_path, ratio, seconds
from synthetic import quiet_trainer, unit
from torch.nn import functional as F

ROUNDS = 2 if SMALL else 5
PER_PASS = _IMAGES_PER_PASS_ON_CUDA if DEVICE == "cuda" else _IMAGES_PER_PASS
# Images of a store and shots of a training: some seconds each, and all of Caltech-101 where the tower is small.
IMAGES = {"shapes-tiny": 4128, "small CLIP": 4128, "ViT-B/16": 96 if DEVICE == "cpu" else 4096}
IMAGES = dict.fromkeys(IMAGES, 128) | {"ViT-B/16": 8} if SMALL else IMAGES
SHOTS = dict.fromkeys(IMAGES, 1 if SMALL else 15) | ({"ViT-B/16": 1} if DEVICE == "cpu" else {})
CLASSES = 1000


def named(name, shared_data):
    """The name under which `load_backbone` knows a tower."""
    if name == "small CLIP":
        return str(shared_data / "pretrained" / "small_clip.pt")
    return name if name == "shapes-tiny" else str(random_clip_path("tiny" if SMALL else name))


def floors(decode, tower):
    """What nothing can be faster than, round by round."""
    both = max if DEVICE == "cuda" else lambda a, b: a + b
    return [both(a, b) for a, b in zip(decode, tower, strict=True)]


def bare_tower(backbone, count, per_pass):
    """The image tower over as many images, transformed and on the device."""
    size = backbone.input_size
    images = backbone.normalize(torch.randint(0, 256, (per_pass, 3, size, size), dtype=torch.uint8, device=DEVICE))

    def run():
        for start in range(0, count, per_pass):
            backbone.encode_image(images[: count - start])

    return run


@pytest.mark.shared_data
@pytest.mark.parametrize("name", list(IMAGES))
def test_building_a_store(benchmark, figures, shared_data, tmp_path, name):
    """At least 90 % of 1 / (1 / tower + 1 / decode), on a GPU of the slower one; with ViT-B/16 90 % of the tower."""
    manifest, device = load_manifest("caltech101"), torch.device(DEVICE)
    backbone = load_backbone(named(name, shared_data)).to(DEVICE)
    opener, size = image_access(manifest, shared_data)
    paths = [item.path for item in read_split(manifest, shared_data).train][: IMAGES[name]]
    built = 0

    def store():
        nonlocal built
        built += 1
        FeatureStore(tmp_path / str(built), backbone, paths, opener, size, Views()).build(device, default_workers())

    loader = torch.utils.data.DataLoader(
        _Pixels(paths, opener, backbone.pixel_transform),
        batch_size=PER_PASS,
        num_workers=default_workers(),
        persistent_workers=True,  # a floor starts no processes: it warms up ahead of the rounds
    )
    functions = {"store": store, "tower": bare_tower(backbone, len(paths), PER_PASS), "decode": lambda: list(loader)}
    times = benchmark.pedantic(in_turns, (functions, 2 if name == "ViT-B/16" else ROUNDS), rounds=1)
    reached = ratio(floors(times["decode"], times["tower"]), times["store"])
    floor = "bare tower and bare decoding"
    figures.add(
        f"a store's speed over what its floors allow, {name}", reached, "x", bound=0.9, better="higher", floor=floor
    )
    bound = 0.9 if name == "ViT-B/16" else None
    reached = ratio(times["tower"], times["store"])
    figures.add(f"a store's speed over the bare tower's, {name}", reached, "x", bound=bound, better="higher")
    figures.add(f"images a second into a store, {name}", len(paths) / min(times["store"]))


class _Pixels(torch.utils.data.Dataset):
    """Images decoded and transformed, and no more."""

    def __init__(self, paths, opener, transform):
        self.paths, self.opener, self.transform = paths, opener, transform

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, row):
        return self.transform(self.opener(self.paths[row]))


class _Epochs(Callback):
    """Seconds from the end of each epoch to that of the next one."""

    def __init__(self):
        self.ends = []

    def on_train_epoch_end(self, trainer, pl_module):
        finish()
        self.ends.append(time.perf_counter())

    @property
    def seconds(self):
        return [after - before for before, after in zip(self.ends, self.ends[1:], strict=False)]


@pytest.mark.shared_data
@pytest.mark.parametrize("name", list(IMAGES))
def test_training_on_augmented_images(benchmark, figures, shared_data, tmp_path, name):
    """With ViT-B/16 at least 90 % of the bare image tower under no_grad.

    Beside a small tower two things are seen that are in no floor, and no bound is asked of it: the steps of the task
    itself, and on a CPU workers that decode the next images on the cores that the tower's threads are on.
    """
    backbone = load_backbone(named(name, shared_data)).to(DEVICE)

    def made():
        where = {"root": str(shared_data), "cache_dir": str(tmp_path / "cache"), "backbone": named(name, shared_data)}
        return ClassificationDataModule(
            "caltech101", **where, prompts="templates", shots=SHOTS[name], store=False, views=1
        )

    def fit(epochs):
        clock = _Epochs()
        quiet_trainer(epochs, clock).fit(ClassificationTask(aggregator_epochs=1), datamodule=made())
        return clock.seconds

    data = made()
    data.setup("fit")
    loader, batch = data.train_dataloader(), data.hparams["batch_size"]
    count = len(loader) * batch
    epochs = 1 if name == "ViT-B/16" else 3  # timed in a fit, after one to warm up
    tower = bare_tower(backbone, count, batch)
    times = {"fit": [], "tower": [], "decode": []}

    def decode():
        list(loader)

    def rounds():
        decode()  # starts the workers, which stay
        tower()
        for _ in range(ROUNDS if epochs > 1 else 2):
            times["fit"].append(sum(fit(epochs + 1)) / epochs)
            times["tower"].append(seconds(tower))
            times["decode"].append(seconds(decode))

    benchmark.pedantic(rounds, rounds=1)
    reached = ratio(floors(times["decode"], times["tower"]), times["fit"])
    floor = "bare tower and bare decoding"
    bound = 0.9 if name == "ViT-B/16" else None
    name = f"training from augmented images over {{}}, {name}"
    figures.add(name.format("what its floors allow"), reached, "x", bound=bound, better="higher", floor=floor)
    reached = ratio(times["tower"], times["fit"])
    figures.add(name.format("the bare tower"), reached, "x", bound=bound, better="higher")


@pytest.mark.parametrize("batch", [1, 32, 256])
def test_inference_towers_and_head(benchmark, figures, batch):
    """Generator and head take at most 2 % of ViT-B/16's time at 1,000 classes, measured apart."""
    backbone = load_backbone(str(random_clip_path("tiny" if SMALL else "ViT-B/16"))).to(DEVICE)
    size, width = backbone.input_size, backbone.embed_dim
    # On a CPU an image of a large batch takes what one of 32 takes.
    images = torch.randn(batch if DEVICE == "cuda" else min(batch, 32), 3, size, size, device=DEVICE)
    generator, head = Generator(width).to(DEVICE), build_projection("residual", width).to(DEVICE)
    torch.nn.init.normal_(head.outer.weight, std=0.1)
    x, w = unit(batch, width), unit(CLASSES, width)

    @torch.no_grad()
    def aape():
        F.softmax(100 * head(x, w, generator(x)), dim=-1)

    def tower():
        backbone.encode_image(images)

    ours = benchmark.pedantic(in_turns, ({"head": aape},), {"rounds": 2 * ROUNDS, "calls": 20}, rounds=1)["head"]
    bare = in_turns({"tower": tower}, 2 if DEVICE == "cpu" else ROUNDS)["tower"]
    head_us, tower_us = 1e6 * min(ours) / batch, 1e6 * min(bare) / len(images)
    figures.add(f"generator and head over the tower, B={batch}", 100 * head_us / tower_us, "%", bound=2)
    figures.add(f"generator and head an image, B={batch}", head_us, "us")
    figures.add(f"ViT-B/16 an image, B={batch}", tower_us, "us")
