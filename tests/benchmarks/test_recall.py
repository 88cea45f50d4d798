"""Recall in both directions at the sizes of COCO's test set and of Flickr30k's images with all their captions.

make bench ARGS="-k recall"
"""

import pytest
import torch
from aape_lightning.metrics import retrieval_scores
from measuring import SMALL, in_turns, peak_memory, ratio
from torch.nn import functional as F

D = 256
SIZES = {(5_000, 25_000): 300e6, (30_000, 150_000): 600e6}  # images and captions: the most bytes above the inputs
if SMALL:
    SIZES = {(500, 2_500): 300e6}


def inputs(images, captions):
    """Unit-norm embeddings, equally many captions an image."""
    torch.manual_seed(0)
    owner = torch.arange(images).repeat_interleave(captions // images)
    of_images = F.normalize(torch.randn(images, D))
    return of_images, F.normalize(torch.randn(captions, D).add_(of_images[owner])), owner


def prepare(images, captions):
    """One call, its inputs made already."""
    tensors = inputs(images, captions)
    retrieval_scores(*inputs(2, 4))  # libraries set themselves up
    return lambda: retrieval_scores(*tensors)


def similarities(of_images, of_captions):
    """The matrix products alone, in blocks."""
    for block in of_captions.split(1024):
        of_images @ block.T


@pytest.mark.parametrize(("images", "captions"), SIZES)
def test_recall(benchmark, figures, images, captions):
    """At most 300 MB above the inputs at 5,000 x 25,000, and 600 MB at 30,000 x 150,000."""
    tensors = inputs(images, captions)
    functions = {"recall": lambda: retrieval_scores(*tensors), "product": lambda: similarities(*tensors[:2])}
    times = benchmark.pedantic(in_turns, (functions, 3), rounds=1)
    name = f"recall of {images:,} images and {captions:,} captions"
    over = ratio(times["recall"], times["product"])
    figures.add(f"{name}, over its matrix product", over, "x", floor="the product")
    peak = peak_memory(prepare, images, captions).resident
    figures.add(f"{name}, memory above the inputs", peak / 1e6, "MB", bound=SIZES[images, captions] / 1e6)
