import pandas as pd
import pytest
import torch
from aape_lightning.callbacks import PredictionWriter, RunFiles
from aape_lightning.data import RetrievalDataModule, VQADataModule
from aape_lightning.data.readers.questions import Question
from aape_lightning.errors import BatchError, LanguageModelError, RecipeError
from aape_lightning.language import generate, load_language_model
from aape_lightning.language.segments import embed_segments
from aape_lightning.protocols.examples import make_examples
from aape_lightning.tasks import RetrievalTask, VQATask
from aape_lightning.tasks.vqa_evaluation import answer_scores

LANGUAGE = {"language_model": "shapes-lm"}


@pytest.fixture
def asked(toy_questions, toy_captions, toy_root, tiny_clip):
    """Makes a VQADataModule over the toy's questions; keywords change it."""

    def make(**changes):
        settings = {"root": str(toy_root), "backbone": str(tiny_clip), "batch_size": 20, "num_workers": 0, "prompt": ""}
        settings |= {"captions": str(toy_captions), "decoding": {"max_new_tokens": 6}}
        return VQADataModule(str(toy_questions), **settings | changes)

    return make


@pytest.fixture
def fitted(asked, quiet_trainer, tmp_path):
    """Trains a task; returns it and its trainer."""

    def fit(settings, data=None, **trainer):
        task = VQATask(**LANGUAGE, aggregator_epochs=1, **settings)
        made = quiet_trainer(**{"max_epochs": 2, "callbacks": [RunFiles(str(tmp_path / "run"))]} | trainer)
        made.fit(task, datamodule=data or asked())
        return task, made

    return fit


@pytest.mark.parametrize("learn_from", ["questions", "captions"])
@pytest.mark.parametrize(
    ("settings", "trained"),
    [
        ({"prefix": "none"}, {"image_prefix"}),
        ({"prefix": "aape"}, {"image_prefix", "embedding_prefix", "generator", "aggregator"}),
    ],
)
def test_a_run_trains_its_maps_and_never_the_language_model(settings, trained, learn_from, fitted, asked, tmp_path):
    language = load_language_model("shapes-lm")
    before = {name: tensor.clone() for name, tensor in language.model.state_dict().items()}
    fitted(settings, asked(learn_from=learn_from))
    assert all(parameter.grad is None for parameter in language.model.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in language.model.state_dict().items())
    saved = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    assert {name.split(".")[0] for name in saved["state_dict"]} == trained


def test_a_frozen_generator_stays_the_other_runs(fitted, toy_captions, toy_root, tiny_clip, quiet_trainer, tmp_path):
    data = RetrievalDataModule(str(toy_captions), root=str(toy_root), backbone=str(tiny_clip), num_workers=0)
    trainer = quiet_trainer(max_epochs=2, callbacks=[RunFiles(str(tmp_path / "h"))])
    trainer.fit(RetrievalTask(aggregator_epochs=1), datamodule=data)
    path = str(tmp_path / "h" / "aape.ckpt")
    other = torch.load(path, weights_only=True)["state_dict"]
    task, _ = fitted({"prefix": "aape", "generator_from": path, "train_generator": False})
    for name, tensor in task.generator.state_dict().items():
        assert torch.equal(tensor, other[f"generator.{name}"])


def test_answers_are_what_the_language_model_writes_behind_examples_and_question(asked, fitted, quiet_trainer):
    task, _ = fitted({"prefix": "none"})
    data = asked(examples=[2], separator="<|endoftext|>", truncate=False)
    trainer = quiet_trainer()
    trainer.test(task, datamodule=data, verbose=False)
    task.eval()  # dropout is on again after a test
    language, test, pool = task.language, data._parts["test"], data.pool
    for position in range(0, 40, 3):
        row = []
        for place in data.drawn_examples[position].tolist():
            example = pool.items[place]
            row += [task.image_prefix(pool.tokens[pool.rows[place], 0].float()[None])[0]]
            row += [f"Q: {example.question} A: {example.answers[0]}<|endoftext|>"]
        row += [task.image_prefix(test.tokens[test.rows[position], 0].float()[None])[0]]
        row += [f"Q: {test.items[position].question} A:"]
        with torch.no_grad():
            written = generate(language, embed_segments(language, [row], side="left"), data.decoding)
        assert task._answers[0][position] == " ".join(written[0].partition("\n")[0].split())


def test_each_condition_is_scored_under_its_name(asked, fitted, quiet_trainer):
    task, _ = fitted({"prefix": "none"})
    data = asked(examples=[0, 1], degradations=["none", "blur"])
    logged = [name for found in quiet_trainer().test(task, datamodule=data, verbose=False) for name in found]
    names = [f"test/{prefix}exact_match" for prefix in ("0-shot/", "0-shot/blur/", "1-shot/", "1-shot/blur/")]
    assert sorted(set(logged)) == sorted(names)  # answers of one person: no official accuracy


def test_training_makes_the_answers_likelier(fitted):
    losses = []
    for epochs in (2, 9):
        torch.manual_seed(0)
        _, trainer = fitted({"prefix": "none", "lr": 5e-3}, max_epochs=epochs)
        losses.append(float(trainer.callback_metrics["val/cross_entropy"]))
    assert losses[1] < losses[0] - 1


def test_scores_are_by_types_and_leave_out_what_repeats():
    questions = [
        Question("a.png", "how many?", ("2",) * 10, 0, "count", "number"),
        Question("b.png", "is it?", ("yes",) * 2 + ("no",) * 8, 1, "existence", "yes/no"),
        Question("c.png", "why?", ("so",) * 10, 2, None, None),
    ]
    assert answer_scores({0: "2", 1: "Yes."}, questions) == pytest.approx(
        {
            "accuracy": 0.8,
            "exact_match": 1.0,
            "answer_type/number/accuracy": 1.0,
            "answer_type/yes/no/accuracy": 0.6,
            "question_type/count/accuracy": 1.0,
            "question_type/existence/accuracy": 0.6,
        }
    )
    assert answer_scores({2: "why"}, questions) == {"accuracy": 0.0, "exact_match": 0.0}


def test_types_without_ten_answers_are_scored_by_exact_match():
    questions = [Question("a.png", "how many?", ("2", "two cups"), 0, "count", None)]
    assert answer_scores({0: "2 cups"}, questions) == {"exact_match": 1.0, "question_type/count/exact_match": 1.0}


def test_examples_show_the_same_questions_under_each_condition(asked, fitted, quiet_trainer):
    task, _ = fitted({"prefix": "none"})
    data = asked(examples=[0, 1], degradations=["none", "occlusion"])
    quiet_trainer().test(task, datamodule=data, verbose=False)
    shown = make_examples("toy_asked", None, task.examples()).examples
    by_condition = {}
    for example in shown:
        by_condition.setdefault((example.shots, example.degradation), []).append((example.image, example.question))
    assert set(by_condition) == {(0, "none"), (0, "occlusion"), (1, "none"), (1, "occlusion")}
    assert len({tuple(asked_of) for asked_of in by_condition.values()}) == 1
    answers = {(item.path, item.question): list(item.answers) for item in data.test_items()}
    assert all(example.answers == answers[example.image, example.question] for example in shown)


def test_predictions_are_answers(asked, fitted, quiet_trainer, tmp_path):
    task, _ = fitted({"prefix": "none"})
    data = asked()
    trainer = quiet_trainer(callbacks=[PredictionWriter(str(tmp_path / "out"))])
    trainer.predict(task, datamodule=data, return_predictions=False)
    table = pd.read_csv(tmp_path / "out" / "predictions.csv", keep_default_na=False)
    assert list(table.columns) == ["question_id", "path", "question", "answer"]
    assert table["question_id"].tolist() == [f"test-{position}" for position in range(40)]


def test_a_checkpoint_loads_alone(asked, fitted, quiet_trainer, tmp_path):
    task, _ = fitted({"prefix": "aape"})
    loaded = VQATask.load_from_checkpoint(tmp_path / "run" / "aape.ckpt")
    scores = [quiet_trainer().test(each, datamodule=asked(), verbose=False) for each in (task, loaded)]
    assert scores[0] == scores[1]


def test_more_examples_than_the_language_model_takes_are_told(asked, fitted, quiet_trainer):
    task, _ = fitted({"prefix": "none"})
    with pytest.raises(LanguageModelError, match=r"takes 256 at once\. Show fewer examples"):
        quiet_trainer().test(task, datamodule=asked(examples=[20]), verbose=False)


def test_distillation_without_captions_says_what_to_name(asked, fitted):
    told = r"VQATask distils captions into h \(distillation_weight 5\.0\).*--data\.captions MANIFEST"
    with pytest.raises(RecipeError, match=told):
        fitted({"prefix": "aape"}, asked(captions=None))
    fitted({"prefix": "aape", "distillation_weight": 0.0}, asked(captions=None))


def test_data_for_another_head_or_another_task_are_told(asked, fitted, toy_data):
    with pytest.raises(
        BatchError, match=r"VQATask is generative, .* head 'discriminative'. Set --data.head generative"
    ):
        fitted({"prefix": "none"}, asked(head="discriminative"))
    with pytest.raises(BatchError, match=r"takes questions and answers from its DataModule.*head='generative'"):
        fitted({"prefix": "none"}, toy_data())


def test_validation_logs_the_language_loss(fitted):
    _, trainer = fitted({"prefix": "none"})
    assert trainer.callback_metrics["val/cross_entropy"] > 0
