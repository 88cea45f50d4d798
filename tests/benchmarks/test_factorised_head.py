"""A training step of the factorised head against one of the plain form of Eq. 3.

    make bench ARGS="-k factorised"

Evaluation is timed in test_evaluation_at_scale.py.
"""

import sys
from pathlib import Path

import pytest
import torch
from aape_lightning.modules.projection import build_projection
from measuring import DEVICE, SMALL, in_turns, peak_memory, ratio
from torch.nn import functional as F

sys.path.append(str(Path(__file__).parents[1] / "modules"))
from plain_projection import PlainProjection

B, C, D = (32, 100, 512) if SMALL else (256, 1000, 512)
LOGIT_SCALE = 100.0
FORMS = ("factorised", "plain")


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


def prepare_step(name, form):
    head, tensors = build(name, form), inputs(B, C)
    step(head, *inputs(2, 3))  # libraries set themselves up, for either form
    return lambda: step(head, *tensors)


@pytest.mark.parametrize("name", ["bottleneck", "residual"])
def test_training_step(benchmark, figures, name):
    """Forward and backward at B=256, C=1000, d=512: at least 20 times faster, in at least 15 times less memory."""
    heads, tensors = {form: build(name, form) for form in FORMS}, inputs(B, C)
    functions = {form: lambda head=heads[form]: step(head, *tensors) for form in FORMS}
    times = benchmark.pedantic(in_turns, (functions, 5), rounds=1)
    peaks = {form: peak_memory(prepare_step, name, form) for form in FORMS}
    what = f"step of the {name} head, B={B}, C={C}: plain form over factorised"
    faster = ratio(times["plain"], times["factorised"])
    figures.add(f"{what}, time", faster, "x", bound=20, better="higher", memory=peaks["factorised"])
    figures.add(f"{what}, memory", peaks["plain"].bytes / peaks["factorised"].bytes, "x", bound=15, better="higher")
