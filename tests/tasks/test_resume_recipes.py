"""`aape fit`, its power cut after an epoch and resumed by the command line, ends as the run that never stopped.

The whole of `last.ckpt` is compared, bit for bit: weights, optimizer, schedule, progress, seeds, stage, averages; and
the metrics of the epochs that were left.
"""

import pytest
from aape_lightning.resources import method_path

from cut_fit import first_difference, fit, load, logged

METHODS = {  # what is laid over the toy's recipe, and the epoch after which the power is cut
    "aape, in stage one": (["aape", "--model.aggregator_epochs", 2, "--data.views", 2], 0),
    "aape, at the boundary": (["aape", "--model.aggregator_epochs", 2, "--data.views", 2], 1),
    "aape, in stage two": (["aape", "--model.aggregator_epochs", 2, "--data.store", "false"], 2),
    "bottleneck, joint": (["aape-paper", "--model.schedule", "joint"], 0),
    "h alone, bf16-mixed": (["aape-h-only", "--model.aggregator_epochs", 1, "--trainer.precision", "bf16-mixed"], 1),
    "coop": (["coop"], 0),
    "cocoop": (["cocoop"], 1),
    "promptsrc": (["promptsrc"], 1),
    "tip-adapter-f": (["tip-adapter-f"], 1),
}
TASKS = {
    "retrieval": (["shapes_retrieval", "--model.aggregator_epochs", 2], 2),
    "captioning": (["shapes_captioning", "--model.aggregator_epochs", 1], 1),
    "vqa": (["shapes_vqa", "--model.aggregator_epochs", 1, "--data.examples", "[0]"], 1),
    "vqa, discriminative": (["shapes_vqa_classifier", "--model.aggregator_epochs", 1], 1),
}
PRETRAINING = {
    "language model": (
        ["causal_lm", "--model.width", 32, "--model.layers", 1, "--data.vocab_size", 300, "--data.context", 64],
        1,
    ),
    "shapes_tiny": (
        ["shapes_tiny", "--model.vision_layers", "[1,1,1,1]", "--model.vision_width", 8, "--model.text_layers", 1,
         "--data.batch_size", 8, "--data.steps_per_epoch", 2, "--trainer.limit_val_batches", 0],
        1,
    ),
}  # fmt: skip
QUIET = [
    "--config", "csv", "--trainer.accelerator", "cpu", "--trainer.max_epochs", 4,
    "--trainer.check_val_every_n_epoch", 1, "--trainer.enable_progress_bar", "false",
    "--trainer.enable_model_summary", "false",
]  # fmt: skip


@pytest.fixture
def resumes(tmp_path):
    """Asserts that a run that is cut after an epoch and resumed equals the whole run, in all that it leaves."""

    def check(words, cut_after):
        whole, cut = tmp_path / "whole", tmp_path / "cut"
        assert fit(["fit", *words, *QUIET, "--run", whole])
        assert not fit(["fit", *words, *QUIET, "--run", cut], cut_after)
        assert load(cut / "last.ckpt")["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"] == cut_after + 1
        assert fit(["fit", "--config", cut / "config.yaml", "--ckpt_path", cut / "last.ckpt"])
        for name in ("last.ckpt", "aape.ckpt"):
            if name == "last.ckpt" or (whole / name).is_file():
                assert first_difference(load(whole / name), load(cut / name)) is None
        left, all_of_them = logged(cut / "metrics.csv"), logged(whole / "metrics.csv")
        assert left == all_of_them[-len(left) :]
        assert left[0]["epoch"] == str(cut_after + 1)

    return check


@pytest.mark.parametrize("name", METHODS)
def test_a_cut_method_ends_as_if_it_had_not_been(name, toy_recipe, resumes):
    (method, *more), cut_after = METHODS[name]
    resumes(["--config", toy_recipe, "--config", method_path(method), *more], cut_after)


@pytest.mark.parametrize("name", TASKS)
def test_a_cut_task_ends_as_if_it_had_not_been(name, toy_captions, toy_questions, toy_root, tiny_clip, resumes):
    (recipe, *more), cut_after = TASKS[name]
    asks = "vqa" in recipe
    data = [
        "--data.manifest",
        toy_questions if asks else toy_captions,
        "--data.root",
        toy_root,
        "--data.num_workers",
        0,
    ]
    data += ["--data.captions", toy_captions] if asks else []
    resumes(["--config", recipe, *more, *data, "--data.backbone", tiny_clip, "--data.batch_size", 10], cut_after)


@pytest.mark.parametrize("name", PRETRAINING)
def test_a_cut_pretraining_ends_as_if_it_had_not_been(name, tmp_path, resumes):
    (recipe, *more), cut_after = PRETRAINING[name]
    if recipe == "causal_lm":
        corpus = tmp_path / "corpus.txt"
        corpus.write_text(
            "".join(
                f"the {size} circle is {place} a square\n"
                for size in ("red", "blue")
                for place in ("left of", "under", "above")
                for _ in range(20)
            )
        )
        more = [*more, "--data.sources", f"[{corpus}]", "--data.batch_size", 2]
    resumes(["--config", recipe, *more], cut_after)
