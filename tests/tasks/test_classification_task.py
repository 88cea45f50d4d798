import copy
from itertools import product

import pytest
import torch
from aape_lightning.backbones.clip import fingerprint
from aape_lightning.callbacks import RunFiles
from aape_lightning.data import ClassificationDataModule
from aape_lightning.errors import BackboneMismatchError, BatchError, CheckpointError, RecipeError
from aape_lightning.tasks import ClassificationTask
from lightning.pytorch import Callback, seed_everything
from torch.nn import functional as F
from torch.utils.data import DataLoader

PROJECTIONS = ("bottleneck", "residual", "full", "none")
AGGREGATORS = ("attention", "mlp", "mean", "random")
D = 32
SPEC = {"name": "toy", "fingerprint": "0" * 64, "embed_dim": D, "logit_scale": 20.0}


def unit(*shape):
    return F.normalize(torch.randn(shape), dim=-1)


def known(**settings):
    """A task that knows its backbone, away from its start."""
    task = ClassificationTask(backbone_spec=dict(SPEC), **settings)
    for parameter in task.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return task


def training_batch(b=6, n=5, c=4):
    mask = torch.arange(n) < torch.arange(1, b + 1).clamp(max=n)[:, None]
    return {
        "index": torch.arange(b),
        "image_embedding": unit(b, D),
        "class_embeddings": unit(c, D),
        "label": torch.arange(b) % c,
        "prompts": unit(b, n, D) * mask[..., None],
        "prompt_mask": mask,
    }


def state(task):
    return {name: tensor.clone() for name, tensor in task.state_dict().items()}


def changed(before, after):
    """The child modules that hold a tensor that differs."""
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


def plain_cosines(name, g, x, w, h):
    """cos(x, g([w_c ; h(x)])), one image and one class after the other."""
    rows = []
    for image, aape in zip(x, h, strict=True):
        for text in w:
            pair = torch.cat([text, aape])
            match name:
                case "bottleneck":
                    projected = g.outer(g.inner(pair).relu())
                case "residual":
                    projected = text + g.outer(g.inner(pair).relu())
                case "full":
                    projected = g.layer(pair).relu()
                case "none":
                    image, projected = aape, text
            rows.append(F.cosine_similarity(image, projected, dim=0))
    return torch.stack(rows).view(len(x), len(w))


class States(Callback):
    """The weights at the start, and after each epoch."""

    def on_train_start(self, trainer, pl_module):
        self.epochs = [state(pl_module)]

    def on_train_epoch_end(self, trainer, pl_module):
        self.epochs.append(state(pl_module))


# ---- forward and loss ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_logits_are_those_of_the_plain_projection(projection):
    task, x, w = known(projection=projection), unit(5, D), unit(7, D)
    hidden = (x @ task.generator.inner.weight.T + task.generator.inner.bias).clamp(min=0)
    aape = F.normalize(hidden @ task.generator.outer.weight.T + task.generator.outer.bias, dim=-1)
    expected = 20.0 * plain_cosines(projection, task.projection, x, w, aape)
    torch.testing.assert_close(task(x, w), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("schedule", "stage"), [("staged", "generator"), ("staged", "aggregator"), ("joint", "joint")])
@pytest.mark.parametrize("weight", [5.0, 0.7])
def test_the_loss_is_the_papers_sum(weight, schedule, stage):
    task, batch = known(distillation_weight=weight, schedule=schedule), training_batch()
    task.stage = stage
    x, label = batch["image_embedding"], batch["label"]
    summary = task.aggregator(batch["prompts"], batch["prompt_mask"], x).detach()
    reward = 2.5 * (x * summary).sum(1).clamp(min=0).mean()
    distillation = ((task.generator(x) - summary) ** 2).sum() / len(x)
    logits = task(x, batch["class_embeddings"])
    cross_entropy = -sum(torch.log_softmax(logits[i], 0)[label[i]] for i in range(len(x))) / len(x)
    of_generator = weight * distillation + cross_entropy
    expected = {"aggregator": -reward, "generator": of_generator, "joint": of_generator - reward}[stage]
    torch.testing.assert_close(task.training_step(batch, 0), expected)


def test_distillation_does_not_train_the_aggregator():
    task, batch = known(schedule="joint"), training_batch()
    task.stage = "joint"
    task.training_step(batch, 0).backward()
    mixed = {name: parameter.grad.clone() for name, parameter in task.aggregator.named_parameters()}
    task.zero_grad()
    task.stage = "aggregator"
    task.training_step(batch, 0).backward()
    for name, parameter in task.aggregator.named_parameters():
        assert mixed[name].abs().max() > 0, name
        torch.testing.assert_close(mixed[name], parameter.grad)


def test_the_reward_does_not_train_the_generator():
    task, batch = known(), training_batch()
    task.stage = "aggregator"
    task.training_step(batch, 0).backward()
    assert all(parameter.grad is None for parameter in task.generator.parameters())
    assert all(parameter.grad is None for parameter in task.projection.parameters())


def test_a_stored_summary_takes_the_aggregators_place():
    task, batch = known(), training_batch()
    task.stage = "generator"
    by_aggregator = task.training_step(batch, 0)
    stored = task.aggregator(batch["prompts"], batch["prompt_mask"], batch["image_embedding"])
    torch.testing.assert_close(task.training_step(batch | {"summary": stored}, 0), by_aggregator)
    assert not torch.allclose(task.training_step(batch | {"summary": unit(6, D)}, 0), by_aggregator)


def test_without_distillation_there_is_no_aggregator_and_no_sentence_is_needed():
    task, batch = known(distillation_weight=0.0), training_batch()
    task.stage = "generator"
    assert task.aggregator is None
    assert {name.split(".")[0] for name in task.state_dict()} == {"generator", "projection"}
    del batch["prompts"], batch["prompt_mask"]
    expected = F.cross_entropy(task(batch["image_embedding"], batch["class_embeddings"]), batch["label"])
    torch.testing.assert_close(task.training_step(batch, 0), expected)


def test_no_tensor_depends_on_the_number_of_classes():
    task = known()
    for classes in (1, 2, 9):
        assert task(unit(3, D), unit(classes, D)).shape == (3, classes)


@pytest.mark.parametrize("key", ["image_embedding", "label", "class_embeddings", "prompts", "prompt_mask"])
def test_a_batch_that_lacks_a_key_is_an_error_that_names_it(key):
    task, batch = known(), training_batch()
    task.stage = "generator"
    del batch[key]
    with pytest.raises(BatchError, match=rf"lacks .*{key}"):
        task.training_step(batch, 0)


# ---- training ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("projection", "aggregator"), list(product(PROJECTIONS, AGGREGATORS)))
def test_a_staged_fit_moves_each_stages_parameters_and_no_others(projection, aggregator, toy_data, quiet_trainer):
    seed_everything(1)
    task, states = ClassificationTask(projection=projection, aggregator=aggregator, aggregator_epochs=1), States()
    quiet_trainer(max_epochs=3, callbacks=[states]).fit(task, datamodule=toy_data())
    learner = {"aggregator"} if aggregator in ("attention", "mlp") else set()
    head = {"generator"} if projection == "none" else {"generator", "projection"}
    moved = [changed(*pair) for pair in zip(states.epochs, states.epochs[1:], strict=False)]
    assert moved == ([learner] if learner else []) + [head, head]
    assert all(tensor.isfinite().all() for tensor in states.epochs[-1].values())


@pytest.mark.parametrize(("projection", "aggregator"), list(product(PROJECTIONS, AGGREGATORS)))
def test_a_joint_fit_moves_everything_at_once(projection, aggregator, toy_data, quiet_trainer):
    seed_everything(1)
    task, states = ClassificationTask(projection=projection, aggregator=aggregator, schedule="joint"), States()
    quiet_trainer(max_epochs=2, callbacks=[states]).fit(task, datamodule=toy_data())
    moved = [changed(*pair) for pair in zip(states.epochs, states.epochs[1:], strict=False)]
    assert moved == [{name.split(".")[0] for name, _ in task.named_parameters()}] * 2


def test_the_optimizer_holds_the_stages_parameters_and_no_others(toy_data, quiet_trainer):
    held = []

    class Held(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            names = {id(parameter): name.split(".")[0] for name, parameter in pl_module.named_parameters()}
            held.append({names[id(p)] for group in trainer.optimizers[0].param_groups for p in group["params"]})

    quiet_trainer(max_epochs=2, callbacks=[Held()]).fit(ClassificationTask(aggregator_epochs=1), datamodule=toy_data())
    assert held == [{"aggregator"}] * 5 + [{"generator", "projection"}] * 5


def test_every_single_parameter_moves(toy_data, quiet_trainer):
    seed_everything(1)
    task, states = ClassificationTask(aggregator_epochs=2), States()
    quiet_trainer(callbacks=[states]).fit(task, datamodule=toy_data())
    first, last = states.epochs[0], states.epochs[-1]
    assert [name for name in first if torch.equal(first[name], last[name])] == []


@pytest.mark.parametrize("schedule", ["staged", "joint"])
def test_training_lowers_the_loss(schedule, toy_data, quiet_trainer):
    seed_everything(1)
    losses = []

    class Losses(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if pl_module.stage != "aggregator":
                losses.append(outputs["loss"].item())

    task = ClassificationTask(schedule=schedule, aggregator_epochs=1, lr=3e-3)
    quiet_trainer(max_epochs=25, callbacks=[Losses()]).fit(task, datamodule=toy_data())
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])


def test_the_learning_rate_falls_as_a_cosine_in_each_stage(toy_data, quiet_trainer):
    rates = []

    class Rates(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    task = ClassificationTask(aggregator_epochs=2, aggregator_lr=0.01, lr=0.002)
    run = quiet_trainer(max_epochs=5, callbacks=[Rates()])
    run.fit(task, datamodule=toy_data())
    steps, expected = 5, []  # 5 classes x 4 shots in batches of 4
    for rate, epochs in ((0.01, 2), (0.002, 3)):
        total = steps * epochs
        angles = torch.arange(total, dtype=torch.float64) / total * torch.pi
        expected += (rate * (1 + torch.cos(angles)) / 2).tolist()
    assert rates == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("settings", [{"distillation_weight": 0.0}, {"aggregator": "mean"}])
def test_a_first_stage_without_anything_to_learn_is_skipped(settings, toy_data, quiet_trainer):
    task, states = ClassificationTask(aggregator_epochs=2, **settings), States()
    run = quiet_trainer(max_epochs=5, callbacks=[states])
    run.fit(task, datamodule=toy_data())
    assert len(states.epochs) - 1 == 3
    assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("settings", [{}, {"distillation_weight": 0.0}, {"aggregator": "mean"}, {"schedule": "joint"}])
def test_a_finished_run_that_is_resumed_trains_no_further(settings, toy_data, quiet_trainer, tmp_path):
    folder, steps = tmp_path / "files", []

    class Steps(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            steps.append((trainer.current_epoch, batch_idx))

    for path in (None, folder / "last.ckpt"):
        steps.clear()
        task = ClassificationTask(aggregator_epochs=2, **settings)
        run = quiet_trainer(max_epochs=5, callbacks=[Steps(), RunFiles(str(folder))])
        run.fit(task, datamodule=toy_data(), ckpt_path=path)
        if path is None:
            finished = state(task)
    assert steps == []
    assert changed(finished, state(task)) == set()


@pytest.mark.parametrize("settings", [{}, {"schedule": "joint"}, {"distillation_weight": 0.0}])
def test_a_dry_run_is_not_refused_for_its_one_epoch(settings, toy_data, quiet_trainer):
    quiet_trainer(fast_dev_run=True).fit(ClassificationTask(**settings), datamodule=toy_data())


def test_too_few_epochs_for_two_stages_are_an_error_that_says_so(toy_data, quiet_trainer):
    with pytest.raises(RecipeError, match=r"aggregator_epochs is 4 and trainer\.max_epochs 4.*max_epochs counts both"):
        quiet_trainer(max_epochs=4).fit(ClassificationTask(aggregator_epochs=4), datamodule=toy_data())


@pytest.mark.parametrize("limits", [{"max_epochs": -1}, {"max_epochs": None, "max_steps": 7}])
def test_a_run_without_a_number_of_epochs_is_an_error(limits, toy_data, quiet_trainer):
    with pytest.raises(RecipeError, match=r"trainer\.max_epochs is -1: the schedule is counted in epochs"):
        quiet_trainer(**limits).fit(ClassificationTask(schedule="joint"), datamodule=toy_data())


@pytest.mark.parametrize("views", [0, 2])
def test_stage_two_trains_on_summaries_computed_once(views, toy_data, quiet_trainer, monkeypatch):
    calls, seen = [], []
    summarize = ClassificationDataModule.summarize

    def counted(self, aggregator):
        calls.append(copy.deepcopy(aggregator))
        summarize(self, aggregator)

    class Batches(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            seen.append((trainer.current_epoch, batch))

    monkeypatch.setattr(ClassificationDataModule, "summarize", counted)
    task = ClassificationTask(aggregator_epochs=2)
    data = toy_data(views=views)
    quiet_trainer(max_epochs=5, callbacks=[Batches()]).fit(task, datamodule=data)
    assert len(calls) == 1
    for epoch, batch in seen:
        assert ("summary" in batch) == (epoch >= 2)
        if epoch >= 2:
            expected = calls[0](*data.bank.gather(batch["label"]), batch["image_embedding"])
            torch.testing.assert_close(batch["summary"], expected)


@pytest.mark.parametrize("store", [True, False])
def test_the_backbone_stays_as_it_was_and_out_of_the_task(store, toy_data, quiet_trainer):
    data, task = toy_data(store=store), ClassificationTask(aggregator_epochs=1)
    quiet_trainer(max_epochs=2).fit(task, datamodule=data)
    assert not any(parameter.requires_grad for parameter in data.backbone.parameters())
    assert fingerprint(data.backbone.model.state_dict()) == data.backbone.fingerprint
    assert {name.split(".")[0] for name in task.state_dict()} == {"aggregator", "generator", "projection"}


# ---- without our DataModule, or with another backbone --------------------------------------------------------------


def test_a_trainer_without_a_datamodule_is_an_error(quiet_trainer):
    with pytest.raises(BatchError, match="learns the backbone from its DataModule"):
        quiet_trainer().fit(ClassificationTask(), DataLoader([{"index": 0}]))


def test_a_batch_without_embeddings_is_an_error(quiet_trainer):
    with pytest.raises(BatchError, match=r"lacks image_embedding; it holds \['index'\]"):
        quiet_trainer().fit(known(schedule="joint"), DataLoader([{"index": 0}]))


@pytest.fixture
def finished(toy_data, quiet_trainer, tmp_path):
    """A run on the base classes: the task, and the folder with its files."""
    seed_everything(1)
    task, data = ClassificationTask(aggregator_epochs=1), toy_data(classes="base")
    quiet_trainer(max_epochs=3, callbacks=[RunFiles(str(tmp_path / "files"))]).fit(task, datamodule=data)
    return task.eval(), tmp_path / "files"


@pytest.mark.parametrize(("other", "width"), [("other_clip", 32), ("wide_clip", 48)])
@pytest.mark.parametrize("file", ["aape.ckpt", "last.ckpt"])
def test_another_backbone_is_an_error_that_names_both(file, other, width, finished, toy_data, quiet_trainer, request):
    _, folder = finished
    path = request.getfixturevalue(other)
    task = ClassificationTask.load_from_checkpoint(folder / file)
    with pytest.raises(BackboneMismatchError, match=rf"tiny\.pt' \(width 32.*{path.name}' \(width {width}") as caught:
        quiet_trainer().test(task, datamodule=toy_data(backbone=str(path)))
    assert "--data.backbone" in str(caught.value)


def test_a_task_in_use_is_refused_on_another_backbone(finished, toy_data, other_clip, quiet_trainer):
    task, _ = finished
    with pytest.raises(BackboneMismatchError):
        quiet_trainer().fit(task, datamodule=toy_data(backbone=str(other_clip)))


@pytest.mark.parametrize("other", ["other_clip", "wide_clip"])
def test_a_checkpoint_path_of_another_backbone_is_refused(other, finished, toy_data, quiet_trainer, request):
    data = toy_data(backbone=str(request.getfixturevalue(other)))
    with pytest.raises(BackboneMismatchError):
        quiet_trainer().test(ClassificationTask(), datamodule=data, ckpt_path=str(finished[1] / "aape.ckpt"))


# ---- checkpoints ---------------------------------------------------------------------------------------------------


def test_the_inference_checkpoint_holds_generator_projection_and_plain_values(finished, tiny_backbone):
    _, folder = finished
    loaded = torch.load(folder / "aape.ckpt", weights_only=True)
    assert {name.split(".")[0] for name in loaded["state_dict"]} == {"generator", "projection"}
    assert not {"optimizer_states", "lr_schedulers", "loops", "callbacks"} & loaded.keys()
    spec = loaded["hyper_parameters"].pop("backbone_spec")
    assert spec == tiny_backbone.spec
    assert all(isinstance(value, str | int | float) for value in loaded["hyper_parameters"].values())
    assert (folder / "aape.ckpt").stat().st_size < 60_000


def test_it_loads_without_a_datamodule_and_gives_the_same_logits(finished):
    task, folder = finished
    loaded = ClassificationTask.load_from_checkpoint(folder / "aape.ckpt").eval()
    x, w = unit(6, D), unit(5, D)
    assert loaded.aggregator is None
    assert torch.equal(loaded(x, w), task(x, w))


def test_a_class_of_a_users_own_loads_where_no_path_leads_to_it(toy_data, quiet_trainer, tmp_path):
    class Own(ClassificationTask):
        pass

    task, trainer = Own(aggregator_epochs=1), quiet_trainer(max_epochs=2)
    trainer.fit(task, datamodule=toy_data())
    trainer.save_checkpoint(tmp_path / "own.ckpt")
    loaded, x, w = Own.load_from_checkpoint(tmp_path / "own.ckpt"), unit(6, D), unit(5, D)
    assert torch.equal(loaded(x, w), task(x, w))


def test_the_inference_checkpoint_is_small_at_clips_width(quiet_trainer, toy_data, tmp_path):
    task = ClassificationTask(backbone_spec=SPEC | {"embed_dim": 512})
    trainer = quiet_trainer(max_epochs=0)
    files = RunFiles(str(tmp_path))
    trainer.strategy.connect(task)
    files.on_train_end(trainer, task)
    assert (tmp_path / "aape.ckpt").stat().st_size < 400_000
    numbers = sum(t.numel() for t in torch.load(tmp_path / "aape.ckpt", weights_only=True)["state_dict"].values())
    assert round(numbers / 1000) in (82, 83)
    assert (tmp_path / "aggregator.safetensors").is_file()


@pytest.mark.parametrize("classes", ["base", "new", "all"])
def test_one_checkpoint_tests_on_any_class_list(classes, finished, toy_data, quiet_trainer):
    task, folder = finished
    expected = quiet_trainer().test(task, datamodule=toy_data(classes=classes), verbose=False)
    loaded = ClassificationTask.load_from_checkpoint(folder / "aape.ckpt")
    assert quiet_trainer().test(loaded, datamodule=toy_data(classes=classes), verbose=False) == expected
    by_path = quiet_trainer().test(
        ClassificationTask(), datamodule=toy_data(classes=classes), ckpt_path=str(folder / "aape.ckpt"), verbose=False
    )
    assert by_path == expected
    assert 0 <= expected[0]["test/accuracy"] <= 1


def test_the_inference_checkpoint_cannot_be_trained_further(finished, toy_data, quiet_trainer):
    _, folder = finished
    with pytest.raises(CheckpointError, match=r"resume from last\.ckpt"):
        quiet_trainer().fit(ClassificationTask.load_from_checkpoint(folder / "aape.ckpt"), datamodule=toy_data())
    with pytest.raises(CheckpointError, match=r"resume from last\.ckpt"):
        quiet_trainer().fit(ClassificationTask(), datamodule=toy_data(), ckpt_path=str(folder / "aape.ckpt"))


def test_the_last_checkpoint_holds_the_aggregator_too(finished):
    task, folder = finished
    loaded = ClassificationTask.load_from_checkpoint(folder / "last.ckpt")
    assert set(loaded.state_dict()) == set(task.state_dict())
    for name, tensor in task.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_a_checkpoint_that_lacks_a_weight_is_refused(finished, tmp_path):
    loaded = torch.load(finished[1] / "aape.ckpt", weights_only=True)
    del loaded["state_dict"]["generator.outer.bias"]
    torch.save(loaded, tmp_path / "broken.ckpt")
    with pytest.raises(RuntimeError, match=r"generator\.outer\.bias"):
        ClassificationTask.load_from_checkpoint(tmp_path / "broken.ckpt")


def test_a_task_trains_in_a_process_that_has_tested(toy_data, quiet_trainer):
    task = ClassificationTask(aggregator_epochs=1)
    data = toy_data()
    quiet_trainer(max_epochs=2).fit(task, datamodule=data)
    quiet_trainer().test(task, datamodule=data, verbose=False)
    before = state(task)
    quiet_trainer(max_epochs=2).fit(task, datamodule=data)
    assert changed(before, state(task)) == {"aggregator", "generator", "projection"}


@pytest.mark.parametrize("other", [{"projection": "bottleneck"}, {"query": "mean"}, {"aggregator": "mean"}])
def test_a_checkpoint_of_another_form_is_refused(other, toy_data, quiet_trainer, tmp_path):
    trainer = quiet_trainer(max_epochs=2)
    trainer.fit(ClassificationTask(aggregator_epochs=1), datamodule=toy_data())
    trainer.save_checkpoint(tmp_path / "run.ckpt")
    with pytest.raises(CheckpointError, match=next(iter(other))):
        quiet_trainer().test(ClassificationTask(**other), datamodule=toy_data(), ckpt_path=str(tmp_path / "run.ckpt"))
