import pandas as pd
import pytest
import torch
from aape_lightning.callbacks import PredictionWriter, RunFiles
from aape_lightning.data import RetrievalDataModule, VQADataModule
from aape_lightning.errors import BatchError, CheckpointError, RecipeError
from aape_lightning.modules import answer_loss, distillation_loss
from aape_lightning.tasks import RetrievalTask, VQAClassifierTask
from torch.nn import functional as F

D = 32
SPEC = {"name": "toy", "fingerprint": "0" * 64, "embed_dim": D, "logit_scale": 20.0}
ANSWERS = ["no", "yes", "red car"]


@pytest.fixture(scope="module")
def toy_choices(ask_about):
    """The same manifest with one or two answers to a question."""
    return ask_about("choices", lambda label, name: f"{name}, thing" if label == 1 else name, separator=",")


@pytest.fixture
def asked(toy_choices, toy_captions, toy_root, tiny_clip):
    def make(**changes):
        settings = {"root": str(toy_root), "backbone": str(tiny_clip), "batch_size": 20, "num_workers": 0}
        settings |= {"captions": str(toy_captions), "head": "discriminative"}
        return VQADataModule(str(toy_choices), **settings | changes)

    return make


@pytest.fixture
def fitted(asked, quiet_trainer, tmp_path):
    def fit(settings, data=None, **trainer):
        task = VQAClassifierTask(**{"aggregator_epochs": 1, "hidden": 64} | settings)
        made = quiet_trainer(**{"max_epochs": 2, "callbacks": [RunFiles(str(tmp_path / "run"))]} | trainer)
        made.fit(task, datamodule=data or asked())
        return task, made

    return fit


@pytest.fixture
def generator(toy_captions, toy_root, tiny_clip, quiet_trainer, tmp_path):
    """The aape.ckpt of a run that trained h on captions."""
    data = RetrievalDataModule(str(toy_captions), root=str(toy_root), backbone=str(tiny_clip), num_workers=0)
    trainer = quiet_trainer(max_epochs=2, callbacks=[RunFiles(str(tmp_path / "h"))])
    trainer.fit(RetrievalTask(aggregator_epochs=1), datamodule=data)
    return str(tmp_path / "h" / "aape.ckpt")


def unit(*shape):
    return F.normalize(torch.randn(shape), dim=-1)


def batch(b=6, n=3):
    return {
        "index": torch.arange(b),
        "image_embedding": unit(b, D),
        "question_embedding": unit(b, D),
        "answer_share": torch.rand(b, 3) / 3,
        "prompts": unit(b, n, D),
        "prompt_mask": torch.ones(b, n, dtype=torch.bool),
    }


def test_the_terms_are_cross_entropy_and_distillation():
    task = VQAClassifierTask(backbone_spec=dict(SPEC), answers=ANSWERS, dropout=0.0)
    led = batch()
    x, q = led["image_embedding"], led["question_embedding"]
    summary = task.aggregator(led["prompts"], led["prompt_mask"], x)
    terms = task.generator_terms(led, summary)
    aape = task.generator(x)
    assert set(terms) == {"cross_entropy", "distillation"}
    torch.testing.assert_close(terms["cross_entropy"], answer_loss(task.answer_head(x, q, aape), led["answer_share"]))
    torch.testing.assert_close(terms["distillation"], distillation_loss(aape, summary))
    assert (task.weight("distillation"), task.weight("cross_entropy")) == (5.0, 1.0)


def test_without_aape_there_is_no_generator_and_no_aggregator():
    task = VQAClassifierTask(aape="none", backbone_spec=dict(SPEC), answers=ANSWERS)
    assert not hasattr(task, "generator")
    assert task.aggregator is None
    assert set(task.generator_terms(batch(), None)) == {"cross_entropy"}
    x, q = unit(4, D), unit(4, D)
    task.eval()
    torch.testing.assert_close(task(x, q), task.answer_head(x, q))


@pytest.mark.parametrize(
    ("settings", "trained"),
    [
        ({"aape": "none"}, {"answer_head"}),
        ({"aape": "trained"}, {"answer_head", "generator"}),
        ({"aape": "trained", "distillation_weight": 0.0}, {"answer_head", "generator"}),
    ],
)
def test_the_checkpoint_holds_what_was_trained_and_the_vocabulary(settings, trained, fitted, tmp_path):
    task, trainer = fitted(settings)
    kept = torch.load(tmp_path / "run" / "aape.ckpt", weights_only=True)
    assert {name.split(".")[0] for name in kept["state_dict"]} == trained
    assert kept["hyper_parameters"]["answers"] == trainer.datamodule.answers
    loaded = VQAClassifierTask.load_from_checkpoint(tmp_path / "run" / "aape.ckpt").eval()
    x, q = unit(4, D), unit(4, D)
    torch.testing.assert_close(loaded(x, q), task.eval()(x, q))


def test_a_frozen_generator_stays_the_other_runs(fitted, generator):
    other = torch.load(generator, weights_only=True)["state_dict"]
    task, _ = fitted({"aape": "frozen", "generator_from": generator}, max_epochs=3)
    for name, tensor in task.generator.state_dict().items():
        assert torch.equal(tensor, other[f"generator.{name}"])


def test_h_that_was_never_trained_is_not_kept_frozen(fitted):
    with pytest.raises(RecipeError, match=r"aape is 'frozen' .*--model\.generator_from RUN/aape\.ckpt"):
        fitted({"aape": "frozen"})


def test_the_questions_of_training_can_be_learned(fitted, asked, quiet_trainer):
    task, trainer = fitted({"aape": "none", "lr": 1e-2}, asked(degradations=["none", "blur"]), max_epochs=31)
    assert trainer.callback_metrics["val/exact_match"] > 0.7
    data = asked(degradations=["none", "blur"])
    logged = quiet_trainer().test(task, datamodule=data, verbose=False)
    scores = {name: value for found in logged for name, value in found.items()}
    assert set(scores) == {"test/exact_match", "test/blur/exact_match"}
    right = [task._answers[0][k] in item.answers for k, item in enumerate(data.test_items())]
    assert scores["test/exact_match"] == pytest.approx(sum(right) / 40)
    assert sum(right) > 28


def test_what_the_vocabulary_leaves_out_is_told(fitted, asked, caplog):
    with caplog.at_level("INFO", logger="lightning.pytorch.utilities.rank_zero"):
        fitted({"aape": "none"}, asked(answers=2))
    told = [record.getMessage() for record in caplog.records if "vocabulary" in record.getMessage()]
    assert told == [
        "30 of 60 training questions (50.0%) have no answer among the 2 of the vocabulary and are not learned from."
    ]


def test_another_vocabulary_is_refused(fitted, asked, quiet_trainer, tmp_path):
    fitted({"aape": "none"})
    loaded = VQAClassifierTask.load_from_checkpoint(tmp_path / "run" / "aape.ckpt")
    with pytest.raises(CheckpointError, match=r"chooses among 8 answers \('no', .*the data have 3 .*--data\.answers"):
        quiet_trainer(max_epochs=1).fit(loaded, datamodule=asked(answers=3))
    quiet_trainer().test(loaded, datamodule=asked(answers=3), verbose=False)  # to test, its own is enough


def test_a_task_that_was_never_fitted_has_no_answers(fitted, asked, quiet_trainer, tmp_path):
    fitted({"aape": "none"})
    task = VQAClassifierTask(aape="none")
    with pytest.raises(CheckpointError, match=r"VQAClassifierTask\.load_from_checkpoint\(PATH\)"):
        quiet_trainer().test(task, datamodule=asked(), ckpt_path=tmp_path / "run" / "aape.ckpt", verbose=False)


def test_examples_have_no_shots(fitted, asked, quiet_trainer):
    task, _ = fitted({"aape": "none"})
    quiet_trainer().test(task, datamodule=asked(), verbose=False)
    shown = task.examples()
    assert len(shown) == 12
    assert {example["shots"] for example in shown} == {None}


def test_predictions_are_answers_of_the_vocabulary(fitted, asked, quiet_trainer, tmp_path):
    task, _ = fitted({"aape": "none"})
    trainer = quiet_trainer(callbacks=[PredictionWriter(str(tmp_path / "out"))])
    trainer.predict(task, datamodule=asked(), return_predictions=False)
    table = pd.read_csv(tmp_path / "out" / "predictions.csv", keep_default_na=False)
    assert set(table["answer"]) <= set(task.hparams["answers"])
    assert len(table) == 40


def test_distillation_without_captions_says_what_to_name(fitted, asked):
    with pytest.raises(
        RecipeError, match=r"--data\.captions MANIFEST, or train without: --model\.distillation_weight 0"
    ):
        fitted({"aape": "trained"}, asked(captions=None))
    fitted({"aape": "none"}, asked(captions=None))


def test_data_for_the_other_head_are_told(fitted, asked):
    with pytest.raises(BatchError, match=r"is discriminative, .* head 'generative'. Set --data.head discriminative"):
        fitted({"aape": "none"}, asked(head="generative"))
