import dataclasses
from pathlib import Path

import pytest
from aape_lightning.protocols import base_to_new, train_test
from aape_lightning.protocols.jobs import Job, jobs


def test_jobs_are_every_method_with_every_seed_seed_by_seed():
    expected = [Job("toy", method, seed) for seed in (3, 1) for method in ("b", "a", "c")]
    assert jobs("toy", ["b", "a", "c"], [3, 1]) == expected


def test_jobs_take_any_iterable_and_give_the_same_list_again():
    assert jobs("toy", (name for name in "ab"), range(2)) == jobs("toy", ["a", "b"], [0, 1])
    assert jobs("toy", [], [1]) == jobs("toy", ["a"], []) == []


def test_a_job_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        jobs("toy", ["a"], [1])[0].seed = 2


def test_a_job_is_called_by_its_method_and_seed():
    job = Job("toy", "/some/where/aape.yaml", 3)
    assert (job.method_name, job.folder, str(job)) == ("aape", Path("aape/seed3"), "aape, seed 3")


def test_job_arguments_seed_draw_and_training_and_choose_classes_in_base_to_new_alone():
    seeded = ["--data.seed", "3", "--seed_everything", "3"]
    assert train_test.PROTOCOL.job_arguments(Job("toy", "aape", 3)) == seeded
    assert base_to_new.PROTOCOL.job_arguments(Job("toy", "aape", 3)) == ["--data.classes", "base", *seeded]
