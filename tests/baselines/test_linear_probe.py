"""The linear probe against its objective in plain numpy, and its search against lpclip's, step by step."""

import numpy as np
import pytest
import torch
from aape_lightning.baselines import LinearProbeTask
from aape_lightning.baselines.logistic import logistic_regression, searched_inverse_penalty
from aape_lightning.errors import RecipeError


@pytest.fixture
def problem():
    """Features of three overlapping classes, and their labels."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(30) % 3
    features = torch.randn(30, 5, generator=generator) + 0.7 * torch.nn.functional.one_hot(labels, 5)
    return torch.nn.functional.normalize(features, dim=-1), labels


def objective(weight, bias, features, labels, c):
    """C times the summed cross-entropy, and half the squared weights, image by image."""
    total = 0.5 * (weight**2).sum()
    for x, y in zip(features, labels, strict=True):
        scores = weight @ x + bias
        total += c * (np.log(np.exp(scores - scores.max()).sum()) + scores.max() - scores[y])
    return total


@pytest.mark.parametrize("c", [1e-3, 0.316, 1.0, 100.0])
def test_the_solution_has_no_slope_and_every_step_from_it_goes_up(c, problem):
    features, labels = (tensor.double().numpy() if tensor.is_floating_point() else tensor.numpy() for tensor in problem)
    solved = logistic_regression(*problem, 3, c, tolerance=1e-10)
    weight, bias = solved.weight.numpy(), solved.bias.numpy()
    at = objective(weight, bias, features, labels, c)
    for place in np.ndindex(weight.shape):
        step = np.zeros_like(weight)
        step[place] = 1e-4
        up, down = (objective(weight + sign * step, bias, features, labels, c) for sign in (1, -1))
        assert min(up, down) > at
        assert abs(up - down) / 2e-4 < 1e-5 * max(1, c)
    for place in range(3):
        step = np.eye(3)[place] * 1e-4
        up, down = (objective(weight, bias + sign * step, features, labels, c) for sign in (1, -1))
        assert abs(up - down) / 2e-4 < 1e-5 * max(1, c)


def test_more_of_c_means_larger_weights(problem):
    norms = [float(logistic_regression(*problem, 3, c).weight.norm()) for c in (1e-4, 1e-2, 1.0, 100.0)]
    assert norms == sorted(norms)
    assert norms[0] < 1e-2


def lpclip(accuracy, steps=8):
    """The search of CoOp's lpclip, told as it is there: with powers of ten, from left to right."""
    candidates = [1e6, 1e4, 1e2, 1.0, 1e-2, 1e-4, 1e-6]
    found = [accuracy(c) for c in candidates]
    peak = candidates[int(np.argmax(found))]
    left, right = 0.1 * peak, 10.0 * peak
    for _ in range(steps):
        middle = float(10 ** (0.5 * (np.log10(left) + np.log10(right))))
        if accuracy(left) < accuracy(right):
            final, left = right, middle
        else:
            final, right = left, middle
    return final


@pytest.mark.parametrize(
    "accuracy",
    [
        pytest.param(lambda c: -abs(np.log10(c) - 1.37), id="peak"),
        pytest.param(lambda c: -abs(np.log10(c) + 7.0), id="left end"),
        pytest.param(lambda c: 1.0, id="flat"),
        pytest.param(lambda c: np.floor(3 * np.sin(np.log10(c))), id="plateaus"),
        pytest.param(lambda c: np.log10(c), id="right end"),
    ],
)
def test_the_search_is_lpclips(accuracy):
    assert searched_inverse_penalty(accuracy) == pytest.approx(lpclip(accuracy), rel=1e-9)


def fitted(toy_data, quiet_trainer, task, **data):
    module = toy_data(**data)
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(task, datamodule=module)
    return task, module, trainer


@pytest.mark.parametrize("views", [0, 3])
def test_a_fit_is_the_regression_on_every_view_of_the_training_images(views, toy_data, quiet_trainer):
    task, data, trainer = fitted(toy_data, quiet_trainer, LinearProbeTask(inverse_penalty=2.0), views=views)
    stored = data._parts["train"].features
    features = torch.cat([stored[:, view] for view in range(max(1, views))])
    labels = data._parts["train"].keys.repeat(max(1, views))
    expected = logistic_regression(features, labels, 5, 2.0, tolerance=1e-10)
    torch.testing.assert_close(task.probe.weight.detach(), expected.weight.float(), rtol=0, atol=0.02)
    assert float(trainer.callback_metrics["train/inverse_penalty"]) == 2.0


def test_c_is_chosen_on_the_validation_images(toy_data, quiet_trainer):
    task, data, trainer = fitted(toy_data, quiet_trainer, LinearProbeTask(), shots=2)
    train, val = data._parts["train"], data._parts["val"]

    def accuracy(c):
        solved = logistic_regression(train.features[:, 0], train.keys, 5, c)
        scores = [solved.weight @ x.double() + solved.bias for x in val.features[:, 0]]
        hits = [int(score.argmax()) == y for score, y in zip(scores, val.keys, strict=True)]
        return sum(hits) / len(hits)

    assert float(trainer.callback_metrics["train/inverse_penalty"]) == pytest.approx(lpclip(accuracy))
    assert not any(parameter.grad is not None for parameter in task.parameters())


def test_test_images_choose_nothing(toy_data, quiet_trainer, monkeypatch):
    data = toy_data()
    monkeypatch.setattr(data, "test_dataloader", lambda: pytest.fail("the test part was read"))
    quiet_trainer(max_epochs=1).fit(LinearProbeTask(), datamodule=data)
    assert "test" not in data._parts


def test_without_validation_images_c_is_clips_example(toy_data, quiet_trainer, monkeypatch):
    data = toy_data()
    monkeypatch.setattr(data, "validation_features", lambda: None)
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(LinearProbeTask(), datamodule=data)
    assert float(trainer.callback_metrics["train/inverse_penalty"]) == pytest.approx(0.316)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_a_penalty_that_there_cannot_be(value):
    with pytest.raises(RecipeError, match="inverse_penalty is"):
        LinearProbeTask(inverse_penalty=value)
