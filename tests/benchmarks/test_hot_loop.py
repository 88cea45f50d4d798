"""Staged training from stored features through `aape fit`, against its two floors.

    make bench ARGS="-k hot_loop"

One floor is the same arithmetic in a bare PyTorch loop: the same modules, gathers, losses, optimizer and schedule, and
nothing around them. The other is an empty LightningModule, whose steps do nothing, through the same Trainer. The fit
has its progress bar drawn as on a terminal, its logger, and the callbacks of every `aape fit`. All three are timed in
turns, from the first step to the last; the summaries between the stages are in.
"""

import contextlib
import io
import time
from dataclasses import replace

import pytest
import torch
from aape_lightning.cli import build
from aape_lightning.data.module import _SUMMARY_CHUNK
from aape_lightning.modules import build_aggregator, build_projection, clip_reward, distillation_loss
from aape_lightning.modules.generator import Generator
from lightning.pytorch import Callback, LightningModule
from measuring import DEVICE, SMALL, finish, in_turns, ratio
from synthetic import CALTECH, SyntheticData, bank, unit
from torch.nn import functional as F

EPOCHS = 2 if SMALL else 8  # of each stage
ROUNDS = 2 if SMALL else 7
CASES = [(32, 50), (256, 50), (32, 1000), (256, 1000)]  # images a batch, classes


class Clock(Callback):
    """Seconds from the first step to the last."""

    def on_train_start(self, trainer, pl_module):
        finish()
        self.start = time.perf_counter()

    def on_train_end(self, trainer, pl_module):
        finish()
        self.seconds = time.perf_counter() - self.start


class Empty(LightningModule):
    """Steps that do nothing."""

    def training_step(self, batch, batch_idx):
        return None

    def configure_optimizers(self):
        return torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))])


@pytest.fixture
def command(tmp_path, monkeypatch):
    """A fit by the command line, up to the point where it would start."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # draws the progress bar though nobody looks

    def prepared(batch_size):
        monkeypatch.setattr(SyntheticData, "setup_backbone", lambda data: setattr(data, "backbone", _Backbone()))
        return build(
            [
                *("--model", "ClassificationTask", f"--model.aggregator_epochs={EPOCHS}"),
                *("--data", "synthetic.SyntheticData", f"--data.batch_size={batch_size}"),
                *(f"--trainer.max_epochs={2 * EPOCHS}", "--trainer.accelerator", "gpu" if DEVICE == "cuda" else "cpu"),
                *("--trainer.devices=1", "--trainer.logger=CSVLogger", f"--trainer.logger.save_dir={tmp_path}"),
                *("--run", str(tmp_path), "--trainer.callbacks", "test_hot_loop.Clock"),
            ]
        )

    return prepared


class _Nothing:
    """So many batches of nothing: a loader that costs nothing."""

    def __init__(self, steps):
        self.steps = steps

    def __len__(self):
        return self.steps

    def __iter__(self):
        return iter([torch.zeros(())] * self.steps)


class _Backbone:
    """Nothing is encoded here."""

    spec = {"name": "none", "fingerprint": "0" * 64, "embed_dim": CALTECH.width, "logit_scale": 100.0}  # noqa: RUF012
    embed_dim = CALTECH.width


def clocked(cli, *what):
    """Seconds of a fit between its first step and its last."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        cli.trainer.fit(*what)
    return next(callback.seconds for callback in cli.trainer.callbacks if isinstance(callback, Clock))


class Bare:
    """The arithmetic of one fit and nothing else."""

    def __init__(self, sizes, batch_size):
        self.sizes, self.batch_size = sizes, batch_size
        self.w = unit(sizes.classes, sizes.width)
        self.features = unit(sizes.images, sizes.views, sizes.width)
        self.labels = torch.arange(sizes.images, device=DEVICE) % sizes.classes
        self.bank = bank(sizes)

    def run(self):
        """Seconds from the first step to the last; the modules are there before, as in the fit."""
        aggregator = build_aggregator("attention", self.sizes.width).to(DEVICE)
        h, g = (m.to(DEVICE) for m in (Generator(self.sizes.width), build_projection("residual", self.sizes.width)))
        finish()
        start = time.perf_counter()
        self.train(aggregator.parameters(), 1e-3, lambda x, label, row: self.reward(aggregator, x, label))
        summaries = self.summarize(aggregator).flatten(0, 1)
        parameters = [*h.parameters(), *g.parameters()]
        self.train(parameters, 1e-4, lambda x, label, row: self.eq4(h, g, x, label, summaries[row]))
        finish()
        return time.perf_counter() - start

    def reward(self, aggregator, x, label):
        return -clip_reward(x, aggregator(*self.bank.gather(label), x))

    def eq4(self, h, g, x, label, summary):
        aape = h(x)
        return F.cross_entropy(100 * g(x, self.w, aape), label) + 5 * distillation_loss(aape, summary)

    @torch.no_grad()
    def summarize(self, aggregator):
        found = torch.empty_like(self.features)
        for start in range(0, self.sizes.images, _SUMMARY_CHUNK):
            rows = slice(start, start + _SUMMARY_CHUNK)
            prompts = self.bank.gather(self.labels[rows])
            for view in range(self.sizes.views):
                found[rows, view] = aggregator(*prompts, self.features[rows, view])
        return found

    def train(self, parameters, lr, loss_of):
        images, steps = self.sizes.images, self.sizes.images // self.batch_size
        features = self.features.flatten(0, 1)
        optimizer = torch.optim.AdamW(parameters, lr=lr, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * steps)
        for _ in range(EPOCHS):
            order = torch.randperm(images, device=DEVICE)
            view = torch.randint(self.sizes.views, (images,), device=DEVICE)
            for index in order.split(self.batch_size)[:steps]:
                row = index * self.sizes.views + view[index]
                loss = loss_of(features[row], self.labels[index], row)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()


@pytest.mark.parametrize(("batch_size", "classes"), CASES)
def test_hot_loop(benchmark, figures, command, monkeypatch, batch_size, classes):
    """At most 1.25 times the bare loop and the empty module at B=32, C=50; else at most 1.5 times the bare loop."""
    sizes = replace(CALTECH, classes=classes)
    monkeypatch.setattr(SyntheticData, "sizes", sizes)
    bare, steps = Bare(sizes, batch_size), sizes.images // batch_size
    seconds = {"fit": [], "empty": [], "bare": []}

    def fit():
        cli = command(batch_size)
        seconds["fit"].append(clocked(cli, cli.model, None, None, cli.datamodule))

    def empty():
        seconds["empty"].append(clocked(command(batch_size), Empty(), _Nothing(steps)))

    functions = {"fit": fit, "empty": empty, "bare": lambda: seconds["bare"].append(bare.run())}
    benchmark.pedantic(in_turns, (functions, ROUNDS), rounds=1)
    fit_s, empty_s, bare_s = (seconds[name][1:] for name in ("fit", "empty", "bare"))  # the first warms up
    floors = [a + b for a, b in zip(bare_s, empty_s, strict=True)]
    where, small = f"B={batch_size}, C={classes}", (batch_size, classes) == (32, 50)
    figures.add(f"aape fit over both floors, {where}", ratio(fit_s, floors), "x", bound=1.25 if small else None)
    bound = None if small else 1.5
    figures.add(f"aape fit over the bare loop, {where}", ratio(fit_s, bare_s), "x", bound=bound, floor="bare loop")
    step = 1e6 / (2 * EPOCHS * steps)
    figures.add(f"a step of the bare loop, {where}", min(bare_s) * step, "us")
    figures.add(f"a step of the empty module, {where}", min(empty_s) * step, "us")
    figures.add(f"a step of aape fit, {where}", min(fit_s) * step, "us")
