import pytest
import torch
from aape_lightning.baselines import ZeroShotRetrievalTask
from aape_lightning.callbacks import PredictionWriter, RunFiles
from aape_lightning.data import RetrievalDataModule
from aape_lightning.errors import BackboneMismatchError, BatchError, CheckpointError
from aape_lightning.modules import contrastive_loss, distillation_loss
from aape_lightning.tasks import RetrievalTask
from torch.nn import functional as F

D = 32
SPEC = {"name": "toy", "fingerprint": "0" * 64, "embed_dim": D, "logit_scale": 20.0}
NAMES = {
    f"test/{way}/{name}"
    for way in ("image_to_text", "text_to_image")
    for name in ("recall@1", "recall@5", "recall@10", "median_rank")
}


@pytest.fixture
def captioned(toy_captions, toy_root, tiny_clip):
    def make(**changes):
        settings = {"root": str(toy_root), "backbone": str(tiny_clip), "batch_size": 10, "num_workers": 0}
        return RetrievalDataModule(str(toy_captions), **settings | changes)

    return make


def unit(*shape):
    return F.normalize(torch.randn(shape), dim=-1)


def batch(b=6, n=3):
    return {
        "index": torch.arange(b),
        "image_embedding": unit(b, D),
        "prompts": unit(b, n, D),
        "prompt_mask": torch.ones(b, n, dtype=torch.bool),
        "caption": unit(b, D),
    }


def test_the_contrastive_loss_is_clips_on_plain_rows():
    queries, captions = unit(5, D), unit(5, D)
    logits = 20 * queries @ captions.T
    rows = [-logits[i].log_softmax(0)[i] - logits[:, i].log_softmax(0)[i] for i in range(5)]
    torch.testing.assert_close(contrastive_loss(queries, captions, 20.0), torch.stack(rows).mean() / 2)


def test_the_contrastive_loss_is_in_float32_under_mixed_precision():
    queries, captions = unit(64, D), unit(64, D)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = contrastive_loss(queries, captions, 100.0)
    torch.testing.assert_close(mixed, contrastive_loss(queries, captions, 100.0), rtol=0, atol=0)


def test_the_residual_query_starts_at_the_image_and_moves():
    task, x = RetrievalTask(retrieve_with="residual", backbone_spec=dict(SPEC)), unit(4, D)
    torch.testing.assert_close(task(x), x)
    task.residual_query.share.data.fill_(0.5)
    torch.testing.assert_close(task(x), F.normalize(x + 0.5 * task.generator(x), dim=-1))


def test_the_paper_searches_with_h_alone():
    task, x = RetrievalTask(backbone_spec=dict(SPEC)), unit(4, D)
    torch.testing.assert_close(task(x), task.generator(x))


@pytest.mark.parametrize("weight", [0.0, 1.0, 5.0])
def test_the_loss_is_the_weighted_sum_of_its_terms(weight):
    task, given = RetrievalTask(distillation_weight=weight, schedule="joint", backbone_spec=dict(SPEC)), batch()
    task.stage = "generator"
    aape = task.generator(given["image_embedding"])
    expected = contrastive_loss(aape, given["caption"], 20.0)
    if weight:
        summary = task.aggregator(given["prompts"], given["prompt_mask"], given["image_embedding"])
        expected = expected + weight * distillation_loss(aape, summary)
    torch.testing.assert_close(task.training_step(given, 0), expected)


@pytest.mark.parametrize("settings", [{}, {"retrieve_with": "residual"}, {"distillation_weight": 0.0}])
def test_training_finds_what_zero_shot_does_not(settings, captioned, quiet_trainer):
    torch.manual_seed(0)
    plain = quiet_trainer().test(ZeroShotRetrievalTask(), datamodule=captioned(), verbose=False)[0]
    task = RetrievalTask(aggregator_epochs=5, lr=0.01, **settings)
    trainer = quiet_trainer(max_epochs=60)
    trainer.fit(task, datamodule=captioned())
    trained = trainer.test(task, datamodule=captioned(), verbose=False)[0]
    assert set(plain) == set(trained) == NAMES
    assert trained["test/text_to_image/median_rank"] < plain["test/text_to_image/median_rank"]


def test_zero_shot_scores_are_those_of_a_full_sort(captioned, quiet_trainer):
    data = captioned()
    logged = quiet_trainer().test(ZeroShotRetrievalTask(), datamodule=data, verbose=False)[0]
    bank, features = data.caption_bank(data.test_items()), data._parts["test"].features[:, 0]
    owner = [i for i, count in enumerate(bank.offsets.diff().tolist()) for _ in range(count)]
    ranks = []
    for i, row in enumerate((features @ bank.embeddings.T).tolist()):
        order = sorted(range(len(row)), key=lambda k: (-row[k], owner[k] == i))
        ranks.append(min(place for place, k in enumerate(order, start=1) if owner[k] == i))
    for k in (1, 5, 10):
        assert logged[f"test/image_to_text/recall@{k}"] == pytest.approx(sum(rank <= k for rank in ranks) / len(ranks))


def test_a_run_cut_short_is_scored_among_what_it_saw(captioned, quiet_trainer):
    trainer = quiet_trainer(limit_test_batches=1)
    task = ZeroShotRetrievalTask()
    trainer.test(task, datamodule=captioned(store=False), verbose=False)
    shown = task.examples()
    assert {example["image"] for example in shown if example["query"] is None} <= {
        item.path for item in trainer.datamodule.test_items()[:10]
    }


def test_examples_are_the_best_first_with_their_own_marked(captioned, quiet_trainer):
    task, data = ZeroShotRetrievalTask(), captioned()
    quiet_trainer().test(task, datamodule=data, verbose=False)
    images = [example for example in task.examples() if example["query"] is None]
    texts = [example for example in task.examples() if example["query"] is not None]
    assert (len(images), len(texts)) == (8, 4)
    for example in images:
        scores = [found["score"] for found in example["retrieved"]]
        assert scores == sorted(scores, reverse=True)
        assert all(found["correct"] == (found["text"] in example["truth"]) for found in example["retrieved"])
    for example in texts:
        assert all(found["correct"] == (found["image"] == example["image"]) for found in example["retrieved"])


@pytest.fixture
def trained(captioned, quiet_trainer, tmp_path):
    """The aape.ckpt of a short run."""
    trainer = quiet_trainer(max_epochs=4, callbacks=[RunFiles(str(tmp_path / "h"))])
    trainer.fit(RetrievalTask(aggregator_epochs=2), datamodule=captioned())
    return tmp_path / "h" / "aape.ckpt"


def test_a_checkpoint_loads_alone_and_gives_the_same_scores(trained, captioned, quiet_trainer):
    task = RetrievalTask.load_from_checkpoint(trained)
    assert task.aggregator is None
    first, second = (
        quiet_trainer().test(given, datamodule=captioned(), verbose=False)[0]
        for given in (task, RetrievalTask.load_from_checkpoint(trained))
    )
    assert first == second


def test_training_may_start_from_another_runs_generator(trained, captioned, quiet_trainer):
    task = RetrievalTask(generator_from=str(trained))
    trainer = quiet_trainer(max_epochs=0)
    trainer.fit(task, datamodule=captioned())
    other = RetrievalTask.load_from_checkpoint(trained)
    for name, tensor in other.generator.state_dict().items():
        assert torch.equal(task.generator.state_dict()[name], tensor)


def test_a_generator_of_another_backbone_or_no_file_is_refused(trained, captioned, quiet_trainer, other_clip, tmp_path):
    with pytest.raises(BackboneMismatchError, match=r"was trained on backbone .* Train one on this backbone"):
        quiet_trainer().fit(RetrievalTask(generator_from=str(trained)), datamodule=captioned(backbone=str(other_clip)))
    with pytest.raises(CheckpointError, match=r"No generator can be read from .*missing\.ckpt"):
        quiet_trainer().fit(RetrievalTask(generator_from=str(tmp_path / "missing.ckpt")), datamodule=captioned())


def test_two_ways_to_search_are_not_confused(trained, captioned, quiet_trainer):
    task = RetrievalTask(retrieve_with="residual")
    with pytest.raises(CheckpointError, match="trained with retrieve_with 'aape', and this task has 'residual'"):
        quiet_trainer().test(task, datamodule=captioned(), ckpt_path=trained)


def test_predictions_name_the_caption_found_first(captioned, quiet_trainer, tmp_path):
    import pandas as pd

    data = captioned()
    trainer = quiet_trainer(callbacks=[PredictionWriter(str(tmp_path))])
    trainer.predict(ZeroShotRetrievalTask(), datamodule=data, return_predictions=False)
    table = pd.read_csv(tmp_path / "predictions.csv")
    assert list(table.columns) == ["path", "caption", "cosine", "correct"]
    for row, item in zip(table.itertuples(), data.test_items(), strict=True):
        assert row.path == item.path
        assert row.correct == (row.caption in item.captions)


def test_without_captions_there_is_nothing_to_rank(toy_data, quiet_trainer):
    with pytest.raises(BatchError, match="takes the captions from its DataModule"):
        quiet_trainer().test(ZeroShotRetrievalTask(), datamodule=toy_data(), verbose=False)
