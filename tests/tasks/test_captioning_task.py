import pandas as pd
import pytest
import torch
from aape_lightning.callbacks import PredictionWriter, RunFiles
from aape_lightning.data import CaptioningDataModule
from aape_lightning.errors import BatchError, CheckpointError, LanguageModelError, RecipeError
from aape_lightning.language import load_language_model
from aape_lightning.modules import distillation_loss
from aape_lightning.tasks import CaptioningTask, RetrievalTask
from torch.nn import functional as F

LANGUAGE = {"language_model": "shapes-lm"}


@pytest.fixture
def described(toy_captions, toy_root, tiny_clip):
    """Makes a CaptioningDataModule over the toy's captions; keywords change it."""

    def make(**changes):
        settings = {"root": str(toy_root), "backbone": str(tiny_clip), "batch_size": 10, "num_workers": 0}
        settings |= {"prompt": "", "decoding": {"max_new_tokens": 8}, "tokenizer": "simple"}
        return CaptioningDataModule(str(toy_captions), **settings | changes)

    return make


@pytest.fixture
def generator(toy_captions, toy_root, tiny_clip, quiet_trainer, tmp_path):
    """The aape.ckpt of a run that trained h on captions."""
    from aape_lightning.data import RetrievalDataModule

    data = RetrievalDataModule(str(toy_captions), root=str(toy_root), backbone=str(tiny_clip), num_workers=0)
    trainer = quiet_trainer(max_epochs=3, callbacks=[RunFiles(str(tmp_path / "h"))])
    trainer.fit(RetrievalTask(aggregator_epochs=1), datamodule=data)
    return str(tmp_path / "h" / "aape.ckpt")


def state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def moved(before, after):
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


@pytest.fixture
def fitted(described, quiet_trainer, tmp_path):
    """Trains a task; returns it, what its weights were, and its trainer."""

    def fit(settings, data=None, **trainer):
        task = CaptioningTask(**LANGUAGE, aggregator_epochs=1, **settings)
        made = quiet_trainer(**{"max_epochs": 2, "callbacks": [RunFiles(str(tmp_path / "run"))]} | trainer)
        made.fit(task, datamodule=data or described())
        return task, made

    return fit


@pytest.mark.parametrize(
    ("settings", "trained"),
    [
        ({"prefix": "none"}, {"image_prefix"}),
        ({"prefix": "embedding"}, {"image_prefix", "embedding_prefix"}),
        ({"prefix": "aape"}, {"image_prefix", "embedding_prefix", "generator", "aggregator"}),
        ({"prefix": "aape", "distillation_weight": 0.0}, {"image_prefix", "embedding_prefix", "generator"}),
    ],
)
def test_a_run_trains_its_maps_and_never_a_frozen_tower(settings, trained, fitted, tmp_path):
    language = load_language_model("shapes-lm")
    before = state(language.model)
    _, trainer = fitted(settings)
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in language.model.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in language.model.state_dict().items())
    assert all(parameter.grad is None for parameter in trainer.datamodule.backbone.parameters())
    saved = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    assert {name.split(".")[0] for name in saved["state_dict"]} == trained
    kept = torch.load(tmp_path / "run" / "aape.ckpt", weights_only=True)
    assert {name.split(".")[0] for name in kept["state_dict"]} == trained - {"aggregator"}
    assert kept["hyper_parameters"]["language_fingerprint"] == language.fingerprint


def test_a_frozen_generator_is_the_other_runs_before_and_after(fitted, generator):
    other = torch.load(generator, weights_only=True)["state_dict"]
    task, _ = fitted({"prefix": "aape", "generator_from": generator, "train_generator": False})
    for name, tensor in task.generator.state_dict().items():
        assert torch.equal(tensor, other[f"generator.{name}"])


def test_a_finetuned_generator_starts_there_and_moves(fitted, generator):
    other = torch.load(generator, weights_only=True)["state_dict"]
    task, _ = fitted({"prefix": "aape", "generator_from": generator})
    assert moved({name: other[f"generator.{name}"] for name in task.generator.state_dict()}, state(task.generator))


def test_without_aape_a_named_generator_is_left_alone(fitted, generator):
    task, _ = fitted({"prefix": "none", "generator_from": generator})
    assert "generator" not in dict(task.named_children())


def test_h_that_was_never_trained_is_not_kept_frozen(fitted):
    with pytest.raises(RecipeError, match=r"train_generator is off .*--model\.generator_from RUN/aape\.ckpt"):
        fitted({"prefix": "aape", "train_generator": False})


def batches(task, data, trainer):
    """The first training batch of a task that is set up."""
    data.trainer = trainer
    trainer.strategy.connect(task)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    trainer.state.fn, trainer.state.stage = "fit", "train"
    trainer.training = True
    return data.on_after_batch_transfer(batch, 0)


def test_the_loss_is_cross_entropy_of_the_captions_tokens_one_by_one(described, quiet_trainer):
    trainer, data = quiet_trainer(), described()
    task = CaptioningTask(**LANGUAGE, schedule="joint", dropout=0.0)
    trainer.fit(task, datamodule=data)
    batch = batches(task, data, trainer)
    language, total, count = task.language, 0.0, 0
    table = language.model.get_input_embeddings()
    soft = task.soft_tokens(batch["image_tokens"], batch["image_embedding"])
    for row, caption in zip(soft, batch["target"], strict=True):
        tokens = [*language.tokenizer(caption).input_ids, language.tokenizer.eos_token_id]
        for k, token in enumerate(tokens):
            read = torch.cat([row, table(torch.tensor(tokens[:k], dtype=torch.long))])
            scores = language.model(inputs_embeds=read[None]).logits[0, -1]
            total, count = total - scores.log_softmax(-1)[token], count + 1
    torch.testing.assert_close(task.language_loss(batch), total / count, atol=1e-4, rtol=1e-4)
    aape = task.generator(batch["image_embedding"])
    summary = task.aggregator(batch["prompts"], batch["prompt_mask"], batch["image_embedding"])
    terms = task.generator_terms(batch, summary)
    torch.testing.assert_close(terms["distillation"], distillation_loss(aape, summary))


def test_aape_is_one_further_token_behind_the_grid(described, quiet_trainer):
    trainer, data = quiet_trainer(max_epochs=6), described()
    task = CaptioningTask(**LANGUAGE)
    trainer.fit(task, datamodule=data)
    tokens, x = torch.randn(3, *data.backbone.image_token_shape), F.normalize(torch.randn(3, 32), dim=-1)
    task.eval()
    soft = task.soft_tokens(tokens, x)
    assert soft.shape == (3, data.backbone.image_token_shape[0] + 1, task.language.width)
    torch.testing.assert_close(soft[:, :-1], task.image_prefix(tokens))
    torch.testing.assert_close(soft[:, -1:], task.embedding_prefix(task.generator(x)))


def test_the_embedding_alone_may_stand_for_the_image(described, fitted, quiet_trainer):
    data = described(image_tokens="embedding")
    task, _ = fitted({"prefix": "none"}, data)
    assert task.image_prefix.linear.in_features == 32
    quiet_trainer().test(task, datamodule=described(image_tokens="embedding", store=False), verbose=False)
    with pytest.raises(
        CheckpointError, match=r"image tokens of width 32, and the data's are 64 wide.*--data\.image_tok"
    ):
        quiet_trainer().test(task, datamodule=described(), verbose=False)


def test_a_test_scores_each_condition_under_its_name(described, fitted, quiet_trainer):
    task, _ = fitted({"prefix": "none"})
    data = described(degradations=["none", "blur"])
    logged = quiet_trainer().test(task, datamodule=data, verbose=False)[0]
    for prefix in ("test/", "test/blur/"):
        assert {f"{prefix}cider_d(simple)", f"{prefix}bleu_4(simple)", f"{prefix}clip_score"} <= set(logged)
    assert all("dataloader" not in name for name in logged)
    plain = quiet_trainer().test(task, datamodule=described(), verbose=False)[0]
    assert plain == {name: value for name, value in logged.items() if "blur" not in name}


def test_with_and_without_the_store_the_same_is_written(described, fitted, quiet_trainer):
    task, _ = fitted({"prefix": "aape"})
    scores = [
        quiet_trainer().test(task, datamodule=described(store=store, degradations=["occlusion"]), verbose=False)[0]
        for store in (True, False)
    ]
    for name, value in scores[1].items():
        assert scores[0][name] == pytest.approx(value, abs=1e-3)


def test_examples_show_the_same_images_under_each_condition(described, fitted, quiet_trainer):
    task, _ = fitted({"prefix": "none"})
    data = described(degradations=["none", "blur"])
    quiet_trainer().test(task, datamodule=data, verbose=False)
    shown = task.examples()
    clean, blurred = ([e for e in shown if e["degradation"] == kind] for kind in ("none", "blur"))
    assert [e["image"] for e in clean] == [e["image"] for e in blurred]
    captions = {item.path: list(item.captions) for item in data.test_items()}
    assert all(e["references"] == captions[e["image"]] for e in shown)


def test_a_checkpoint_loads_alone_and_is_refused_with_another_language_model(fitted, tmp_path):
    fitted({"prefix": "aape"})
    path = tmp_path / "run" / "aape.ckpt"
    task = CaptioningTask.load_from_checkpoint(path)
    assert task.aggregator is None
    saved = torch.load(path, weights_only=True)
    saved["hyper_parameters"]["language_fingerprint"] = "0" * 64
    torch.save(saved, path)
    with pytest.raises(LanguageModelError, match="other weights of language model 'shapes-lm' than those found now"):
        CaptioningTask.load_from_checkpoint(path)


def test_predictions_are_captions(described, fitted, quiet_trainer, tmp_path):
    task, _ = fitted({"prefix": "none"})
    data = described()
    trainer = quiet_trainer(callbacks=[PredictionWriter(str(tmp_path / "out"))])
    trainer.predict(task, datamodule=data, return_predictions=False)
    table = pd.read_csv(tmp_path / "out" / "predictions.csv", keep_default_na=False)
    assert list(table.columns) == ["path", "caption"]
    assert table["path"].tolist() == [item.path for item in data.test_items()]


def test_without_its_data_module_there_is_nothing_to_describe(fitted, quiet_trainer, toy_data):
    task, _ = fitted({"prefix": "none"})
    with pytest.raises(BatchError, match="takes conditions and captions from its DataModule"):
        quiet_trainer().test(task, datamodule=toy_data(), verbose=False)


def test_validation_logs_the_language_loss(fitted):
    _, trainer = fitted({"prefix": "none"})
    assert trainer.callback_metrics["val/cross_entropy"] > 0


def test_an_unknown_decoding_is_told(described):
    with pytest.raises(RecipeError, match=r"decoding has no 'methd'.*Did you mean 'method'"):
        described(decoding={"methd": "beam"})
