"""Batches hold what the stage reads and nothing else: a gather that nobody needs is most of a step's time."""

from aape_lightning.tasks import ClassificationTask
from lightning.pytorch import Callback


class Keys(Callback):
    """What batches held, by the stage that they were trained on in."""

    def __init__(self):
        self.seen = {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen.setdefault(pl_module.stage, set()).update(batch)


def keys_of(toy_data, quiet_trainer, epochs=2, **settings):
    keys = Keys()
    task = ClassificationTask(aggregator_epochs=1, **settings)
    quiet_trainer(max_epochs=epochs, callbacks=[keys]).fit(task, datamodule=toy_data())
    return keys.seen


LABELLED = {"index", "label", "class_embeddings", "image_embedding"}
PROMPTED = LABELLED | {"prompts", "prompt_mask"}


def test_the_first_stage_reads_sentences_and_the_second_summaries(toy_data, quiet_trainer):
    found = keys_of(toy_data, quiet_trainer)
    assert found == {"aggregator": PROMPTED, "generator": LABELLED | {"summary"}}


def test_joint_training_reads_sentences(toy_data, quiet_trainer):
    assert keys_of(toy_data, quiet_trainer, schedule="joint") == {"joint": PROMPTED}


def test_training_without_distillation_reads_neither(toy_data, quiet_trainer):
    assert keys_of(toy_data, quiet_trainer, distillation_weight=0.0) == {"generator": LABELLED}


def test_a_datamodule_serves_one_task_after_the_other(toy_data, quiet_trainer):
    data, found = toy_data(), []
    for weight in (0.0, 5.0):
        keys = Keys()
        task = ClassificationTask(schedule="joint", distillation_weight=weight)
        quiet_trainer(max_epochs=1, callbacks=[keys]).fit(task, datamodule=data)
        found.append(keys.seen["joint"])
    assert found == [LABELLED, PROMPTED]
