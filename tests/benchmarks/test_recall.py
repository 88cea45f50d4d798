"""Recall in both directions at the sizes of COCO's test set and of Flickr30k's images with all their captions.

    pytest tests/benchmarks/test_recall.py --benchmark-only -s

Peak memory on a CPU: a process of its own, the largest resident set that the kernel saw (VmHWM, reset just before)
above what was resident before, inputs included, so that work space of libraries counts.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from aape_lightning.metrics import retrieval_scores
from torch.nn import functional as F

D = 256
MIB = 2**20
SIZES = {(5_000, 25_000): 300, (30_000, 150_000): 600}  # images and captions: the most MB above the inputs


def inputs(images, captions):
    """Unit-norm embeddings, equally many captions an image."""
    torch.manual_seed(0)
    owner = torch.arange(images).repeat_interleave(captions // images)
    of_images = F.normalize(torch.randn(images, D))
    return of_images, F.normalize(torch.randn(captions, D).add_(of_images[owner])), owner


def resident(field):
    """A field of /proc/self/status in bytes: VmRSS, what is resident now; VmHWM, the most that was."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def peak_of(images, captions):
    """Peak memory of one call above its inputs, in bytes."""
    tensors = inputs(images, captions)
    retrieval_scores(*inputs(2, 4))  # libraries set themselves up
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again from what is resident now
    before = resident("VmRSS")
    retrieval_scores(*tensors)
    return resident("VmHWM") - before


@pytest.mark.parametrize(("images", "captions"), SIZES)
def test_retrieval_scores(benchmark, images, captions):
    """At most 300 MB above the inputs at 5,000 x 25,000, and 600 MB at 30,000 x 150,000."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        peak = pool.submit(peak_of, images, captions).result()
    found = benchmark.pedantic(retrieval_scores, inputs(images, captions), rounds=1)
    benchmark.extra_info.update(peak_mib=round(peak / MIB, 1), **found)
    print(f"\n{images:,} x {captions:,}: {peak / MIB:.0f} MiB above the inputs; {found}")
    assert peak <= SIZES[images, captions] * 1e6
