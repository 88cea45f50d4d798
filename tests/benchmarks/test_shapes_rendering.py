from random import Random

import torch
from aape_lightning.data.shapes import render, sample_scene


def test_images_a_second_on_one_core(benchmark):
    torch.set_num_threads(1)
    random = Random(1)
    scenes = [sample_scene(random) for _ in range(256)]
    benchmark.extra_info["images"] = len(scenes)
    pictures = benchmark(render, scenes)
    assert pictures.shape == (256, 64, 64, 3)
    print(f"\n{len(scenes) / benchmark.stats.stats.median:,.0f} images of 64x64 a second")
