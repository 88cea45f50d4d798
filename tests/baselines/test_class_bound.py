"""Methods with a weight for each class: which classes they score, and what they refuse."""

import pytest
import torch
from aape_lightning.baselines import LinearProbeTask
from aape_lightning.baselines.class_bound import columns_of
from aape_lightning.callbacks import RunFiles
from aape_lightning.errors import BackboneMismatchError, BatchError, CheckpointError, DataError, RecipeError
from torch.utils.data import DataLoader

SPEC = {"name": "toy", "fingerprint": "0" * 64, "embed_dim": 4, "logit_scale": 20.0}
WORDS = ["red_car", "Blue Boat", "green tree", "yellow sun", "grey stone"]


def known(**settings):
    """A probe of four classes that knows its backbone, with weights of its own."""
    task = LinearProbeTask(backbone_spec=dict(SPEC), class_names=["a", "b", "c", "a"], **settings)
    torch.nn.init.normal_(task.probe.weight)
    return task


@pytest.fixture
def fitted(toy_data, quiet_trainer, tmp_path):
    """A probe of the base classes, and the checkpoint of its run."""
    task = LinearProbeTask()
    folder = tmp_path / "fit"
    quiet_trainer(max_epochs=1, callbacks=[RunFiles(str(folder))]).fit(task, datamodule=toy_data(classes="base"))
    return task, folder / "last.ckpt"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["crane", "boat", "crane"], [0, 1, 2]),
        (["boat", "crane"], [1, 0]),
        (["crane", "crane"], [0, 2]),
        ([], []),
    ],
)
def test_classes_are_found_by_name_and_namesakes_in_order(names, expected):
    assert columns_of(names, ["crane", "boat", "crane"]) == expected


@pytest.mark.parametrize(("names", "told"), [(["boat", "kite"], "'kite'"), (["boat", "boat"], "'boat'")])
def test_a_class_that_was_never_seen_is_an_error(names, told):
    with pytest.raises(DataError, match=f"{told} are not among them: 'crane', 'boat'.*--data.classes all"):
        columns_of(names, ["crane", "boat"])


def test_scores_of_fewer_classes_are_columns_of_all():
    task, x, w = known(), torch.randn(3, 4), torch.randn(4, 4)
    whole = task(x, w)
    assert whole.shape == (3, 4)
    task.match(["c", "a", "a"])
    torch.testing.assert_close(task(x, w[:3]), whole[:, [2, 0, 3]])


def test_a_test_on_classes_among_those_trained_on(fitted, toy_data, quiet_trainer):
    task, path = fitted
    assert task.hparams["class_names"] == WORDS[:3]
    loaded = LinearProbeTask.load_from_checkpoint(path)
    assert {name: tensor.tolist() for name, tensor in loaded.state_dict().items()} == {
        name: tensor.tolist() for name, tensor in task.state_dict().items()
    }
    tested = [quiet_trainer().test(t, datamodule=toy_data(classes="base"), verbose=False) for t in (task, loaded)]
    assert tested[0] == tested[1]
    fresh = LinearProbeTask()
    again = quiet_trainer().test(fresh, datamodule=toy_data(classes="base"), ckpt_path=path, verbose=False)
    assert again == tested[0]


def test_predictions_are_over_the_classes_asked_for(fitted, toy_data, quiet_trainer, monkeypatch):
    task, _ = fitted
    data = toy_data(classes="base")
    setup = data.setup

    def fewer(stage):
        setup(stage)
        data.class_names = [WORDS[2], WORDS[0]]
        data.class_embeddings = data.class_embeddings[[2, 0]]

    monkeypatch.setattr(data, "setup", fewer)
    (batch,) = quiet_trainer().predict(task, datamodule=data)
    features = data._parts["test"].features[:, 0]
    expected = (features @ task.probe.weight.T + task.probe.bias)[:, [2, 0]].softmax(1)
    torch.testing.assert_close(batch["probabilities"], expected)


@pytest.mark.parametrize("run", ["test", "predict", "validate"])
def test_new_classes_are_refused_by_name(run, fitted, toy_data, quiet_trainer):
    task, _ = fitted
    with pytest.raises(DataError, match="'yellow sun', 'grey stone' are not among them: 'red_car'"):
        getattr(quiet_trainer(), run)(task, datamodule=toy_data(classes="new"))


def test_a_second_fit_is_on_the_same_classes(fitted, toy_data, quiet_trainer):
    task, _ = fitted
    quiet_trainer(max_epochs=1).fit(task, datamodule=toy_data(classes="base"))
    with pytest.raises(DataError, match=r"was trained on 'red_car'.* cannot go on with 'yellow sun'"):
        quiet_trainer(max_epochs=1).fit(task, datamodule=toy_data(classes="new"))


def test_another_backbone_is_refused(fitted, toy_data, other_clip, quiet_trainer):
    task, path = fitted
    other = toy_data(classes="base", backbone=str(other_clip))
    with pytest.raises(BackboneMismatchError, match=r"trained on backbone .*tiny.* the data use .*other"):
        quiet_trainer().test(task, datamodule=other)
    with pytest.raises(BackboneMismatchError):
        quiet_trainer().test(LinearProbeTask(), datamodule=other, ckpt_path=path)
    mismatched = LinearProbeTask(backbone_spec=SPEC | {"embed_dim": 32}, class_names=WORDS[:3])
    with pytest.raises(BackboneMismatchError, match="the data use 'toy'"):
        mismatched.on_load_checkpoint(torch.load(path, weights_only=True))


def test_a_trainer_without_a_datamodule_is_an_error(quiet_trainer):
    with pytest.raises(BatchError, match="LinearProbeTask learns backbone and classes from its DataModule"):
        quiet_trainer(max_epochs=1).fit(LinearProbeTask(), DataLoader([{"index": 0}]))


def test_what_was_never_trained_is_not_tested(toy_data, quiet_trainer, tmp_path):
    trainer = quiet_trainer()
    with pytest.raises(DataError, match="are not among them"):
        trainer.test(LinearProbeTask(), datamodule=toy_data())
    with pytest.raises(CheckpointError, match="holds no training of LinearProbeTask"):
        LinearProbeTask().on_load_checkpoint({"hyper_parameters": {"backbone_spec": None}})


def test_a_number_of_epochs_is_needed(toy_data, quiet_trainer):
    with pytest.raises(RecipeError, match=r"trainer\.max_epochs is -1: LinearProbeTask"):
        quiet_trainer(max_epochs=-1, max_steps=3).fit(LinearProbeTask(), datamodule=toy_data())
