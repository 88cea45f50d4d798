"""Scenes of the shapes world rendered on one core, the rate that makes its pretraining possible.

make bench ARGS="-k rendering"
"""

from random import Random

import pytest
import torch
from aape_lightning.data.shapes import render, sample_scene
from measuring import SMALL


@pytest.fixture
def one_core():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_core")
def test_rendering(benchmark, figures):
    random = Random(1)
    scenes = [sample_scene(random) for _ in range(16 if SMALL else 256)]
    pictures = benchmark(render, scenes)
    assert pictures.shape == (len(scenes), 64, 64, 3)
    figures.add("images of 64x64 rendered on one core", len(scenes) / benchmark.stats.stats.median, "images/s")
