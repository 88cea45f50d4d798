"""`aape fit`, its power cut within an epoch and resumed from a step's checkpoint, ends as the run that never stopped.

The checkpoint is that of a user's `ModelCheckpoint(every_n_train_steps=k)`. The whole of `last.ckpt` is compared, bit
for bit, and the metrics of the epochs that were left: the interrupted one's are of the whole epoch.
"""

import signal

import pytest
from aape_lightning.resources import method_path

import cut_fit
from cut_fit import first_difference, fit, load, logged

QUIET = [
    "--config", "csv", "--trainer.accelerator", "cpu", "--trainer.max_epochs", 3,
    "--trainer.check_val_every_n_epoch", 1, "--trainer.enable_progress_bar", "false",
    "--trainer.enable_model_summary", "false",
]  # fmt: skip
AAPE = ["aape", "--model.aggregator_epochs", 1]
METHODS = {  # a method laid over the toy's recipe, and after which step of which epoch the power is cut
    "stored features, stage one": (AAPE, 2, 0),
    "stored features, stage two": (AAPE, 7, 1),
    "stored features, after a last step": ([*AAPE, "--trainer.check_val_every_n_epoch", 2], 5, 0),
    "stored features, after a validated last step": (AAPE, 10, 1),
    "images, two workers": ([*AAPE, "--data.store", "false", "--data.num_workers", 2], 7, 1),
    "images, a tower in the loop": (["promptsrc"], 8, 1),
    "images, averaged after a last step": (["promptsrc"], 15, 2),
    "accumulated": (["coop", "--data.batch_size", 2, "--trainer.accumulate_grad_batches", 2], 7, 1),
}


@pytest.fixture
def resumes(tmp_path):
    """Asserts that a run that is cut after a step and resumed equals the whole run, in all that it leaves."""

    def check(words, step, epoch):
        whole, cut = tmp_path / "whole", tmp_path / "cut"
        kept = "--trainer.callbacks"
        steps = [f"{kept}+=lightning.pytorch.callbacks.ModelCheckpoint", f"{kept}.every_n_train_steps", step]
        steps += [f"{kept}.dirpath", tmp_path / "steps", f"{kept}.save_top_k", -1, f"{kept}.filename", "{step}"]
        assert fit(["fit", *words, *QUIET, "--run", whole])
        assert not fit(["fit", *words, *QUIET, *steps, "--run", cut], cut_step=step)
        checkpoint = tmp_path / "steps" / f"step={step}.ckpt"
        assert load(checkpoint)["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"] == epoch
        assert fit(["fit", *words, *QUIET, "--run", tmp_path / "rest", "--ckpt_path", checkpoint])
        for name in ("last.ckpt", "aape.ckpt"):
            if name == "last.ckpt" or (whole / name).is_file():
                assert first_difference(load(whole / name), load(tmp_path / "rest" / name)) is None
        left, all_of_them = logged(tmp_path / "rest" / "metrics.csv"), logged(whole / "metrics.csv")
        assert left == all_of_them[-len(left) :]
        assert left[0]["epoch"] == str(epoch)

    return check


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_is_cut_within_an_epoch(name, toy_recipe, resumes):
    (method, *more), step, epoch = METHODS[name]
    resumes(["--config", toy_recipe, "--config", method_path(method), *more], step, epoch)


def test_captioning_with_dropout_that_is_cut_within_an_epoch(toy_captions, toy_root, tiny_clip, resumes):
    data = ["--data.manifest", toy_captions, "--data.root", toy_root, "--data.backbone", tiny_clip]
    words = ["--config", "shapes_captioning", "--model.aggregator_epochs", 1, *data, "--data.num_workers", 0]
    resumes([*words, "--data.batch_size", 4], 10, 1)


def test_pretraining_on_texts_that_is_cut_within_an_epoch(tmp_path, resumes):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(
        "".join(f"the red circle is {place} a square\n" for place in ("above", "under") for _ in range(60))
    )
    small = ["--model.width", 32, "--model.layers", 1, "--data.vocab_size", 300, "--data.context", 32]
    resumes(["--config", "causal_lm", *small, "--data.sources", f"[{corpus}]", "--data.batch_size", 2], 4, 0)


def test_pretraining_on_images_that_is_cut_within_an_epoch(resumes):
    small = ["--model.vision_layers", "[1,1,1,1]", "--model.vision_width", 8, "--model.text_layers", 1]
    few = ["--data.batch_size", 8, "--data.steps_per_epoch", 3, "--trainer.limit_val_batches", 0]
    resumes(["--config", "shapes_tiny", *small, *few], 4, 1)


def test_a_run_that_is_cut_between_its_last_files(toy_recipe, tmp_path):
    run = tmp_path / "run"
    assert fit(["fit", "--config", toy_recipe, "--config", method_path("aape"), *QUIET, "--run", run])
    made = {name: (run / name).read_bytes() for name in ("aape.ckpt", "aggregator.safetensors")}
    for name in made:
        (run / name).unlink()
    assert fit(["fit", "--config", run / "config.yaml", "--ckpt_path", run / "last.ckpt"])
    assert {name: (run / name).read_bytes() for name in made} == made


@pytest.mark.parametrize("method", ["aape", "promptsrc", "tip-adapter-f"])
def test_a_run_that_is_cut_behind_its_last_epoch(method, toy_recipe, tmp_path):
    words = ["fit", "--config", toy_recipe, "--config", method_path(method), *QUIET]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert fit([*words, "--run", whole])
    assert not fit([*words, "--run", cut], cut_after=2)
    assert not (cut / "aape.ckpt").exists()
    assert fit(["fit", "--config", cut / "config.yaml", "--ckpt_path", cut / "last.ckpt"])
    for name in ("last.ckpt", "aape.ckpt"):
        assert (whole / name).is_file() == (cut / name).is_file(), name
        if (whole / name).is_file():
            assert first_difference(load(whole / name), load(cut / name)) is None, name


def test_a_requeued_job_goes_on_behind_a_whole_step(toy_recipe, tmp_path, monkeypatch):
    """SLURM's signal arrives in the midst of a step; Lightning writes `hpc_ckpt_1.ckpt` and finds it again."""
    words = ["fit", "--config", toy_recipe, "--config", method_path("aape"), *QUIET]
    assert fit([*words, "--run", tmp_path / "whole"])
    requeued = tmp_path / "requeued"
    command = tmp_path / "bin" / "scontrol"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\necho $@ >> {tmp_path}/asked\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:/usr/bin:/bin")
    for name, value in {"SLURM_NTASKS": 1, "SLURM_JOB_NAME": "train", "SLURM_JOB_ID": 7, "SLURM_LOCALID": 0}.items():
        monkeypatch.setenv(name, str(value))
    for name, value in {"SLURM_NODEID": 0, "SLURM_PROCID": 0, "SLURM_NNODES": 1, "SLURM_NTASKS_PER_NODE": 1}.items():
        monkeypatch.setenv(name, str(value))

    class Signalled(cut_fit.CutRunFiles):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            if trainer.global_step == 7 and not requeued.joinpath("hpc_ckpt_1.ckpt").exists():
                signal.raise_signal(signal.SIGUSR1)

    monkeypatch.setattr(cut_fit, "CutRunFiles", Signalled)
    assert not fit([*words, "--run", requeued], cut_step=8)
    assert (tmp_path / "asked").read_text() == "requeue 7\n"
    assert load(requeued / "hpc_ckpt_1.ckpt")["global_step"] == 8
    assert fit([*words, "--run", requeued])
    assert first_difference(load(tmp_path / "whole" / "last.ckpt"), load(requeued / "last.ckpt")) is None


def test_other_batches_within_an_epoch_are_refused(toy_recipe, tmp_path):
    """As many images a step in twice as many batches: the place in the epoch would be another."""
    words = ["fit", "--config", toy_recipe, "--config", method_path("coop"), *QUIET, "--data.batch_size", 4]
    words += ["--run", tmp_path / "run"]
    kept = "--trainer.callbacks"
    steps = [f"{kept}+=lightning.pytorch.callbacks.ModelCheckpoint", f"{kept}.every_n_train_steps", 2]
    assert not fit([*words, *steps, f"{kept}.dirpath", tmp_path, f"{kept}.filename", "step"], cut_step=2)
    halves = ["--data.batch_size", 2, "--trainer.accumulate_grad_batches", 2, "--ckpt_path", tmp_path / "step.ckpt"]
    with pytest.raises(cut_fit.cli.CheckpointError, match=r"accumulate_grad_batches 1 and 2 .*inside an epoch"):
        fit([*words, *halves])
