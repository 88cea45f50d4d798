from dataclasses import replace
from pathlib import Path

from aape_lightning.report.about import command, facts
from aape_lightning.report.caveats import caveats
from synthetic import result, study


def configured(method, seed, **data):
    whole = result(method, seed)
    init_args = whole.config["data"]["init_args"] | data
    return result(method, seed, config=whole.config | {"data": {"class_path": "D", "init_args": init_args}})


def test_nothing_to_say():
    assert caveats(study()) == []


def test_missing_seeds_are_named():
    [told] = caveats([result("zero-shot", 1), result("zero-shot", 2), result("coop", 1), result("aape", 1)])
    assert told.startswith("coop, aape: no result for seed 2. Means over different seeds")


def test_changed_settings_are_named():
    told, _ = caveats([configured("aape", 1, shots=16), configured("aape", 2, shots=8)])
    assert told.startswith("The seeds of aape were not run with one configuration")


def test_another_place_is_no_other_setting():
    assert caveats([configured("aape", 1, root="/a", num_workers=1), configured("aape", 2, root="/b")]) == []


def test_sentences_about_new_classes_are_told():
    [told] = caveats([configured("prompt-mean", 1, class_text="prompts")])
    assert told == "prompt-mean reads sentences about the new classes at test time."


def test_methods_with_and_without_sentences_are_not_on_equal_terms():
    [told] = caveats([configured("aape", 1, class_text="prompts"), configured("coop", 1)])
    assert told.startswith("aape reads sentences about the new classes at test time. The other methods go by names")


def test_times_of_different_devices_are_not_comparable():
    runs = [result("coop", 1, versions={"device": "cpu"}), result("aape", 1, versions={"device": "NVIDIA H100"})]
    assert caveats(runs) == [
        "The runs were made on different devices (cpu, NVIDIA H100); their times are not comparable."
    ]
    assert caveats([runs[0], result("aape", 1, versions={})]) == []  # where it was not recorded nothing is known


def test_unrecorded_configuration_is_no_caveat():
    assert caveats([result("aape", 1, config={}), result("aape", 2, config={})]) == []


def test_facts_leave_out_what_was_not_recorded():
    assert facts([result("aape", 1), result("aape", 2)]) == [
        ("Protocol", "base-to-new"),
        ("Recipe", "shapes"),
        ("Backbone", "shapes-tiny (weights 4f3c9a1b77e2)"),
        ("Shots", "16"),
        ("Seeds", "1, 2"),
        ("Measured", "2026-11-24"),
        ("Versions", "python 3.12.1, torch 2.13.0"),
    ]
    bare = result(backbone={}, config={}, versions={}, created="")
    assert [name for name, _ in facts([bare])] == ["Protocol", "Recipe", "Seeds"]


def test_a_file_of_weights_is_told_without_its_folder():
    told = dict(facts([result(backbone={"name": "/home/me/secret/small_clip.pt", "fingerprint": "67a0e3d9fd96aa"})]))
    assert told["Backbone"] == "small_clip.pt (weights 67a0e3d9fd96)"
    assert dict(facts([result(backbone={"name": "ViT-B/16"})]))["Backbone"] == "ViT-B/16"


def test_command_can_be_typed_again():
    lines = command(study(), Path("runs/my study")).split(" \\\n    ")
    assert lines == [
        "aape protocol base-to-new",
        "--recipe shapes",
        "--method zero-shot",
        "--method aape-no-distill",
        "--method aape",
        "--seeds 1 2 3",
        "--out 'runs/my study'",
        "--backbone shapes-tiny",
    ]


def test_command_holds_the_keys_that_were_typed():
    runs = [replace(run, overrides=["--trainer.max_epochs", "7", "--data.degradations", "[none]"]) for run in study()]
    assert "--trainer.max_epochs 7 --data.degradations '[none]'" in command(runs, Path("runs"))


def test_command_names_no_place_of_this_machine():
    runs = [configured("aape", 1, root="/home/someone/data", backbone="ViT-B/16")]
    words = command(runs, Path("/home/someone/runs"))
    assert "someone" not in words
    assert words.endswith("--data-root $DATA")
    assert "--backbone ViT-B/16" in words


def test_several_readers_are_told_together():
    runs = [configured(method, 1, class_text="prompts") for method in ("prompt-mean", "aape")]
    assert caveats(runs) == ["prompt-mean, aape read sentences about the new classes at test time."]


def test_methods_trained_on_other_images_are_told():
    runs = [configured("aape", 1, shots=16), configured("aape-no-distill", 1, shots=2)]
    assert caveats(runs) == [
        "The methods were not trained on the same images: they differ in shots (16, 2).",
    ]
