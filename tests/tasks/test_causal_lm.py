import math

import pytest
import torch
from aape_lightning.data import TextDataModule
from aape_lightning.data.pretraining import ShapesPretrainingDataModule
from aape_lightning.errors import BatchError, DataError, LanguageModelError
from aape_lightning.language import load_language_model
from aape_lightning.tasks import CausalLMTask
from lightning.pytorch import Trainer, seed_everything
from transformers import AutoModelForCausalLM

TINY = {"width": 32, "layers": 1, "heads": 2, "warmup_steps": 5, "lr": 1e-2}
SHAPES = ("cat", "dog", "bird", "fish")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text("\n".join(f"the {SHAPES[k % 4]} has {k % 7} legs and {k % 5} tails" for k in range(200)))
    return str(path)


def data(corpus, **changes):
    return TextDataModule([corpus], **({"vocab_size": 320, "context": 32, "batch_size": 8} | changes))


def trainer(folder, **changes):
    settings = {"max_epochs": 4, "accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    return Trainer(default_root_dir=folder, **(settings | quiet | changes))


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """A trained task, its data, the folder that it wrote into, and the Trainer."""
    seed_everything(1)
    folder = tmp_path_factory.mktemp("causal_lm")
    task, texts, run = CausalLMTask(**TINY), data(corpus), trainer(folder)
    run.fit(task, datamodule=texts)
    return task.eval(), texts, folder, run


def test_training_learns_the_language(trained):
    logged = trained[3].callback_metrics
    assert logged["val/perplexity"] < 15  # of 320 tokens
    assert logged["val/perplexity"] == pytest.approx(math.exp(logged["val/loss"]))


def test_the_perplexity_is_that_of_a_plain_count_over_what_is_held_out(trained):
    task, texts, _, run = trained
    losses = []
    with torch.no_grad():
        for batch in texts.val_dataloader():
            for tokens, mask in zip(batch["tokens"], batch["mask"], strict=True):
                row = tokens[mask]
                chances = torch.log_softmax(task.model(row[None]).logits[0], dim=-1)
                losses += [-chances[place, token].item() for place, token in enumerate(row[1:].tolist())]
    assert run.callback_metrics["val/loss"].item() == pytest.approx(sum(losses) / len(losses), rel=1e-4)


def test_the_folder_opens_in_transformers_and_here(trained):
    task, texts, folder, _ = trained
    loaded = load_language_model(str(folder / "language_model"))
    assert (loaded.width, loaded.context) == (32, 32)
    tokens = loaded.tokenizer(["the cat has 3 legs"], return_tensors="pt").input_ids
    assert tokens.tolist() == texts.tokenizer(["the cat has 3 legs"]).input_ids
    opened = AutoModelForCausalLM.from_pretrained(folder / "language_model", dtype=torch.float32)
    with torch.no_grad():
        expected = task.model(tokens).logits
        torch.testing.assert_close(loaded.model(tokens).logits, expected, atol=2e-2, rtol=1e-2)
        torch.testing.assert_close(opened(tokens).logits, expected, atol=2e-2, rtol=1e-2)


def test_another_folder_may_be_chosen(corpus, tmp_path):
    chosen = tmp_path / "chosen" / "lm"
    task = CausalLMTask(**TINY, folder=str(chosen))
    trainer(tmp_path, max_epochs=1, limit_train_batches=1).fit(task, datamodule=data(corpus))
    assert (chosen / "tokenizer.json").is_file()


def test_a_dry_run_writes_nothing(corpus, tmp_path):
    trainer(tmp_path, fast_dev_run=True).fit(CausalLMTask(**TINY), datamodule=data(corpus))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_two_runs_with_one_seed_are_equal(corpus, tmp_path):
    written = []
    for folder in ("a", "b"):
        seed_everything(4)
        trainer(tmp_path / folder, max_epochs=1).fit(CausalLMTask(**TINY), datamodule=data(corpus))
        files = sorted((tmp_path / folder / "language_model").iterdir())
        written.append({path.name: path.read_bytes() for path in files})
    assert written[0] == written[1]


def test_a_resumed_run_ends_where_an_unbroken_one_does(corpus, tmp_path):
    class Stop(CausalLMTask):
        def on_train_epoch_end(self):
            self.trainer.should_stop = True

    settings = TINY | {"dropout": 0.0}
    whole, broken, resumed = (
        CausalLMTask(**settings),
        Stop(**settings),
        CausalLMTask(**settings),
    )
    seed_everything(4)
    trainer(tmp_path, max_epochs=2).fit(whole, datamodule=data(corpus))
    seed_everything(4)
    first = trainer(tmp_path, max_epochs=2)
    first.fit(broken, datamodule=data(corpus))
    first.save_checkpoint(tmp_path / "broken.ckpt")
    trainer(tmp_path, max_epochs=2).fit(
        resumed, datamodule=data(corpus), ckpt_path=tmp_path / "broken.ckpt", weights_only=True
    )
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict())


def test_norms_and_biases_do_not_decay(trained):
    task, _, _, run = trained
    decayed, free = run.optimizers[0].param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert all(parameter.ndim >= 2 for parameter in decayed["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(list(task.parameters()))


def test_the_learning_rate_rises_and_falls_to_zero(corpus, tmp_path):
    class Recorded(CausalLMTask):
        def on_train_batch_start(self, batch, batch_idx):
            self.rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])

    task = Recorded(**TINY)
    task.rates = []
    trainer(tmp_path, max_epochs=2).fit(task, datamodule=data(corpus))
    rates = task.rates
    assert rates[:5] == pytest.approx([0.002, 0.004, 0.006, 0.008, 0.01])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] < 0.05 * max(rates)


def test_another_data_module_is_refused(tmp_path):
    images = ShapesPretrainingDataModule(batch_size=2, steps_per_epoch=1)
    with pytest.raises(DataError, match="TextDataModule, not from ShapesPretrainingDataModule"):
        trainer(tmp_path).fit(CausalLMTask(**TINY), datamodule=images)


def test_a_batch_of_something_else_is_refused(trained):
    with pytest.raises(BatchError, match="lacks tokens, mask"):
        trained[0].loss({"image": torch.zeros(1)})


def test_a_width_without_whole_heads_is_refused(corpus, tmp_path):
    with pytest.raises(LanguageModelError, match="heads 3"):
        trainer(tmp_path).fit(CausalLMTask(**(TINY | {"heads": 3})), datamodule=data(corpus))
