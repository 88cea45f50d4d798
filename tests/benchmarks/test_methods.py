"""An epoch of AAPE against an epoch of CoOp, CoCoOp, MaPLe and PromptSRC, as this project trains them.

    make bench ARGS="-k methods"

Caltech-101, 16 shots of all 100 classes, on a ViT-B/16 of random weights, which takes the same arithmetic. Every method
is trained by a real Trainer with the batch size of its recipe, without validation. AAPE's epoch is measured whole, the
mean of its two stages, as the recipe gives them equally many epochs; a peer's is its median step times the steps of an
epoch, and AAPE is measured on both sides of it. The first epoch of a stage is in neither: in the generator's, once a
run, the summaries of all views are computed and the second optimizer is made, and its seconds are a figure of their
own. Pixels are made up and decoded by no one, which favours the peers, and so does their own text tower, which leaves
out what cannot change a value (`backbones/prompted_text.py`).

Memory is that of a fit above the loaded towers, in a fresh process.
"""

from statistics import mean, median
from typing import NamedTuple

import pytest
from aape_lightning.baselines import CoCoOpTask, CoOpTask, MaPLeTask, PromptSRCTask
from measuring import DEVICE, SMALL, Ratio, peak_memory, random_clip
from synthetic import CALTECH, Sizes, StepClock, aape_epochs, all_aape_epochs, quiet_trainer, synthetic_data

SIZES = Sizes(images=64, classes=10, sentences=5, views=2) if SMALL else CALTECH
BACKBONE = "tiny" if SMALL else "ViT-B/16"
FEW = Sizes(images=8, classes=3, sentences=2, views=1)  # for libraries to set themselves up with
BATCH = 32  # AAPE's
EPOCHS = dict.fromkeys(("aggregator", "generator"), 2 if SMALL else 7)  # timed
FITS = 3  # of an epoch a stage


class Peer(NamedTuple):
    """How a peer is trained: its task, images a batch, where they come from, timed steps, and how much slower it is."""

    task: type
    batch: int
    choices: dict
    steps: int
    bound: float | None = None


IMAGES, STORED = {"store": False}, {"store": True, "views": SIZES.views}
PEERS = {
    "CoOp from images": Peer(CoOpTask, 32, IMAGES, 5, bound=100),
    "CoOp from stored features": Peer(CoOpTask, 32, STORED, 5, bound=100),
    "CoCoOp from images": Peer(CoCoOpTask, 1, IMAGES, 5, bound=1000),
    "CoCoOp from stored features": Peer(CoCoOpTask, 1, STORED, 5, bound=1000),
    "MaPLe": Peer(MaPLeTask, 4, {"inputs": "image"}, 5),
    "PromptSRC": Peer(PromptSRCTask, 4, {"inputs": "image"}, 5),
}


def aape_epoch():
    """Seconds of an epoch of AAPE, the mean over its stages."""
    return mean(median(epochs) for epochs in aape_epochs(SIZES, BATCH, **EPOCHS).values())


def peer_steps(peer):
    """Seconds of a peer's steps, after one to warm up."""
    clock = StepClock()
    data = synthetic_data(SIZES, BACKBONE, batch_size=peer.batch, **peer.choices)
    quiet_trainer(1, clock, limit_train_batches=peer.steps + 1).fit(peer.task(), datamodule=data)
    return clock.steps[1:]


def prepare_aape():
    """A fit of three epochs in each stage."""
    aape_epochs(FEW, 4, aggregator=1, generator=1)
    return lambda: aape_epochs(SIZES, BATCH, aggregator=2, generator=2)


def prepare_peer(name):
    """A fit of two steps."""
    peer = PEERS[name]
    few = synthetic_data(FEW, "tiny", batch_size=2, **peer.choices)
    quiet_trainer(1, limit_train_batches=2).fit(peer.task(), datamodule=few)
    random_clip(BACKBONE)
    data = synthetic_data(SIZES, BACKBONE, batch_size=peer.batch, **peer.choices)
    return lambda: quiet_trainer(1, limit_train_batches=2).fit(peer.task(), datamodule=data)


def test_methods_aape(benchmark, figures):
    """AAPE's epoch by stage, and its memory; the generator's first epoch apart, summaries included."""
    epochs = benchmark.pedantic(aape_epochs, (SIZES, BATCH), EPOCHS, rounds=1)
    memory = peak_memory(prepare_aape)
    for stage, found in epochs.items():
        seconds = Ratio(median(found), min(found), max(found))
        figures.add(f"AAPE, epoch of the {stage}'s stage", seconds, "s", memory=memory)
    firsts = [all_aape_epochs(SIZES, BATCH, aggregator=1, generator=1)["generator"][0] for _ in range(FITS)]
    seconds = Ratio(median(firsts), min(firsts), max(firsts))
    figures.add("AAPE, first epoch of the generator's stage, summaries included", seconds, "s")


@pytest.mark.parametrize("name", PEERS)
def test_methods_peer(benchmark, figures, name):
    """At least 100 times CoOp's pace, and 1,000 times CoCoOp's; on a GPU, where small steps wait for launches, told."""
    peer = PEERS[name]
    before = aape_epoch()
    steps = benchmark.pedantic(peer_steps, (peer,), rounds=1)
    ours = mean([before, aape_epoch()])
    epochs = [step * (SIZES.images // peer.batch) for step in steps]
    theirs = Ratio(median(epochs), min(epochs), max(epochs))
    figures.add(f"{name}, epoch", theirs, "s", memory=peak_memory(prepare_peer, name))
    times = Ratio(theirs.median / ours, theirs.least / ours, theirs.most / ours)
    bound = peer.bound if DEVICE == "cpu" else None
    figures.add(f"{name}, epoch over AAPE's", times, "x", bound=bound, better="higher")
