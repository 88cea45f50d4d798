import dataclasses
from pathlib import Path

import pytest
from aape_lightning.protocols import base_to_new, train_test
from aape_lightning.protocols.jobs import Job, jobs, settings_of


def test_jobs_are_every_recipe_setting_and_method_with_every_seed_seed_by_seed():
    settings = settings_of({"data.shots": [1, 2]})
    expected = [
        Job(recipe, method, seed, setting)
        for seed in (3, 1)
        for recipe in ("toy", "other")
        for setting in settings
        for method in ("b", "a")
    ]
    assert jobs(["toy", "other"], ["b", "a"], [3, 1], settings) == expected


def test_jobs_take_any_iterable_and_give_the_same_list_again():
    assert jobs(["toy"], (name for name in "ab"), range(2)) == jobs(["toy"], ["a", "b"], [0, 1])
    assert jobs(["toy"], [], [1]) == jobs(["toy"], ["a"], []) == jobs([], ["a"], [1]) == []


def test_settings_are_every_combination_of_values():
    assert settings_of({}) == [()]
    assert settings_of({"data.shots": [1, 2], "model.lr": [0.1]}) == [
        (("data.shots", 1), ("model.lr", 0.1)),
        (("data.shots", 2), ("model.lr", 0.1)),
    ]


def test_a_job_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        jobs(["toy"], ["a"], [1])[0].seed = 2


def test_a_job_is_called_by_its_recipe_setting_method_and_seed():
    job = Job("some/toy.yaml", "/some/where/aape.yaml", 3)
    assert (job.method_name, job.folder, str(job)) == ("aape", Path("toy/aape/seed3"), "toy, aape, seed 3")
    varied = dataclasses.replace(job, setting=(("data.shots", 4), ("data.class_text", "a photo of a {}.")))
    assert varied.folder == Path("toy/shots=4,class_text=a-photo-of-a-.") / "aape/seed3"
    assert str(varied) == "toy, shots=4,class_text=a photo of a {}., aape, seed 3"


def test_settings_lie_in_folders_of_their_own():
    places = {Job("toy", "aape", 1, setting).folder for setting in settings_of({"model.lr": [1e-4, 0.001, None, True]})}
    assert len(places) == 4


def test_job_arguments_seed_draw_and_training_and_choose_classes_in_base_to_new_alone():
    seeded = ["--data.seed", "3", "--seed_everything", "3"]
    assert train_test.PROTOCOL.job_arguments(Job("toy", "aape", 3)) == seeded
    assert base_to_new.PROTOCOL.job_arguments(Job("toy", "aape", 3)) == ["--data.classes", "base", *seeded]
