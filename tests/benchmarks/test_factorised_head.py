"""The factorised head against the plain form of Eq. 3, and against zero-shot CLIP's matrix product.

    pytest tests/benchmarks/test_factorised_head.py --benchmark-only -s

Every figure is a ratio within one run. The two forms are timed in turns, so that what else the machine does hits both.
Peak memory on a CPU: each form in a process of its own, the largest resident set that the kernel saw (VmHWM, reset
just before) above what was resident before, so that work space of libraries counts; on CUDA the allocator's peak.
"""

import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from aape_lightning.modules.projection import build_projection
from torch.nn import functional as F

sys.path.append(str(Path(__file__).parents[1] / "modules"))
from plain_projection import PlainProjection

B, C, D = 256, 1000, 512
EVALUATED, BATCH = 50_000, 2048
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LOGIT_SCALE = 100.0
MIB = 2**20


def unit(*shape):
    return F.normalize(torch.randn(shape, device=DEVICE), dim=-1)


def build(name, form):
    """A projection away from its start, factorised or plain."""
    torch.manual_seed(0)
    projection = build_projection(name, D).to(DEVICE)
    torch.nn.init.normal_(projection.outer.weight, std=0.1)
    return projection if form == "factorised" else PlainProjection(name, projection)


def inputs(b, c):
    torch.manual_seed(0)
    return unit(b, D), unit(c, D), unit(b, D).requires_grad_(), torch.randint(c, (b,), device=DEVICE)


def step(head, x, w, h, label):
    """Forward and backward of the task loss, for the parameters and h(x)."""
    F.cross_entropy(LOGIT_SCALE * head(x, w, h), label).backward()


def seconds(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def resident(field):
    """A field of /proc/self/status in bytes: VmRSS, what is resident now; VmHWM, the most that was."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def peak_of(work, *arguments):
    """Peak memory of the function that `work` prepares, above what was there before, in bytes."""
    function = work(*arguments)
    if DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        return torch.cuda.max_memory_allocated() - before
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again from what is resident now
    before = resident("VmRSS")
    function()
    return resident("VmHWM") - before


def peak_memory(work, *arguments):
    """`peak_of` in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(peak_of, work, *arguments).result()


def prepare_step(name, form):
    head, tensors = build(name, form), inputs(B, C)
    step(head, *inputs(2, 3))  # libraries set themselves up, for either form
    return lambda: step(head, *tensors)


def evaluate(head, x, w, h):
    """Predicted classes, batch by batch."""
    with torch.no_grad():
        return torch.cat([head(x[i : i + BATCH], w, h[i : i + BATCH]).argmax(1) for i in range(0, len(x), BATCH)])


def zero_shot(x, w, _):
    return x @ w.T


def prepare_evaluation(name):
    head, (x, w, h, _) = build(name, "factorised"), inputs(EVALUATED, C)
    evaluate(head, x[:2], w, h[:2])
    return lambda: evaluate(head, x, w, h)


def report(benchmark, **figures):
    benchmark.extra_info.update({name: round(figure, 3) for name, figure in figures.items()}, device=DEVICE)
    print("\n" + ", ".join(f"{name} {figure:.4g}" for name, figure in figures.items()))


@pytest.mark.parametrize("name", ["bottleneck", "residual"])
def test_training_step(benchmark, name):
    """Forward and backward at B=256, C=1000, d=512: at least 20 times faster, in at least 15 times less memory."""
    factorised, plain, tensors = build(name, "factorised"), build(name, "plain"), inputs(B, C)
    step(factorised, *tensors)
    step(plain, *tensors)
    ratios = []
    for _ in range(5):
        ours = statistics.median(seconds(step, factorised, *tensors) for _ in range(5))
        ratios.append(seconds(step, plain, *tensors) / ours)
    memory = {form: peak_memory(prepare_step, name, form) for form in ("factorised", "plain")}
    benchmark.pedantic(step, (factorised, *tensors), rounds=10)
    report(
        benchmark,
        times_faster=statistics.median(ratios),
        times_faster_least=min(ratios),
        times_less_memory=memory["plain"] / memory["factorised"],
        factorised_mib=memory["factorised"] / MIB,
        plain_mib=memory["plain"] / MIB,
    )


@pytest.mark.parametrize("name", ["bottleneck", "residual"])
def test_evaluation(benchmark, name):
    """Evaluation of 50,000 images and 1,000 classes: at most 10 times zero-shot CLIP's, within 1 GB.

    `times_zero_shot` compares predictions, an argmax on either side; `times_matrix_product` the cosines of one batch
    with x @ w.T alone.
    """
    head, (x, w, h, _) = build(name, "factorised"), inputs(EVALUATED, C)
    one_batch = x[:BATCH], w, h[:BATCH].detach()
    ratios, products = [], []
    with torch.no_grad():
        head(*one_batch)
        for _ in range(5):
            ratios.append(seconds(evaluate, head, x, w, h) / seconds(evaluate, zero_shot, x, w, h))
            products.append(seconds(head, *one_batch) / seconds(zero_shot, *one_batch))
    benchmark.pedantic(evaluate, (head, x, w, h), rounds=3)
    report(
        benchmark,
        times_zero_shot=statistics.median(ratios),
        times_matrix_product=statistics.median(products),
        peak_mib=peak_memory(prepare_evaluation, name) / MIB,
    )
