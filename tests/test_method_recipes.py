"""Every method lies over a fitting recipe and says what it is; published ones state their published numbers in full."""

import functools

import pytest
import yaml
from aape_lightning.arguments import recipe_arguments
from aape_lightning.cli import build
from aape_lightning.report.published import THE_ELEVEN
from aape_lightning.resources import method_names, method_path, recipe_names

RECIPES = {  # which recipe of the shapes world a task's methods are laid over
    "ClassificationTask": "shapes",
    "ZeroShotTask": "shapes",
    "RetrievalTask": "shapes_retrieval",
    "ZeroShotRetrievalTask": "shapes_retrieval",
    "CaptioningTask": "shapes_captioning",
    "VQATask": "shapes_vqa",
    "VQAClassifierTask": "shapes_vqa_classifier",
}
SHARES = {1: 0.25, 2: 0.5, 4: 0.5}  # CoOp: 50 epochs at 1 shot, 100 at 2 and 4, 200 at 8 and 16
SGD = {"lr": 2e-3, "weight_decay": 5e-4}
TIP = {"alpha": 1.17, "beta": 1.0, "alpha_scale": 3.0, "beta_scale": 7.0}

# What the papers' own configurations say: the task's hyper-parameters, the data's, the epochs, and CoOp's rule.
PUBLISHED = {
    "zero-shot": ("ZeroShotTask", {}, {"class_text": "a photo of a {}."}, None, None),
    "prompt-mean": ("ZeroShotTask", {}, {"class_text": "prompts"}, None, None),
    "template-ensemble": ("ZeroShotTask", {}, {"class_text": "imagenet-80"}, None, None),
    "linear-probe": ("LinearProbeTask", {"inverse_penalty": None}, {"views": 0}, 1, None),
    "clip-adapter": (
        "CLIPAdapterTask",
        {"ratio": 0.2, "reduction": 4, **SGD},
        {"class_text": "manifest", "batch_size": 32},
        200,
        SHARES,
    ),
    "tip-adapter": (
        "TipAdapterTask",
        {"finetune": False, **TIP},
        {"class_text": "manifest", "batch_size": 256, "views": 10},
        1,
        None,
    ),
    "tip-adapter-f": (
        "TipAdapterTask",
        {"finetune": True, "lr": 1e-3, "weight_decay": 0.01, **TIP},
        {"class_text": "manifest", "batch_size": 256, "views": 10},
        20,
        None,
    ),
    "coop": ("CoOpTask", {"context": "a photo of a", **SGD}, {"batch_size": 32}, 200, SHARES),
    "coop-16": ("CoOpTask", {"context": 16, **SGD}, {"batch_size": 32}, 200, SHARES),
    "cocoop": ("CoCoOpTask", {"context": "a photo of a", **SGD}, {"batch_size": 1}, 10, None),
    "kgcoop": (
        "KgCoOpTask",
        {"context": "a photo of a", "knowledge_weight": 8.0, **SGD},
        {"batch_size": 128},
        100,
        None,
    ),
    "prograd": ("ProGradTask", {"projection_strength": 1.0, **SGD}, {"batch_size": 32}, 200, SHARES),
    "maple": (
        "MaPLeTask",
        {"tokens": 2, "depth": 9, "lr": 3.5e-3, "weight_decay": 5e-4},
        {"inputs": "image", "batch_size": 4},
        5,
        None,
    ),
    "maple-transfer": (
        "MaPLeTask",
        {"tokens": 2, "depth": 3, "lr": 2.6e-3, "weight_decay": 5e-4},
        {"inputs": "image", "batch_size": 4},
        2,
        None,
    ),
    "promptsrc": (
        "PromptSRCTask",
        {
            "tokens": 4,
            "depth": 9,
            "text_weight": 25.0,
            "image_weight": 10.0,
            "aggregation_mean": 15.0,
            "aggregation_std": 1.0,
            "lr": 2.5e-3,
            "weight_decay": 5e-4,
        },
        {"inputs": "image", "batch_size": 4},
        20,
        None,
    ),
    "promptsrc-transfer": (
        "PromptSRCTask",
        {"depth": 3, "aggregation_mean": 6.0, "aggregation_std": 10.0, "lr": 2.5e-3},
        {"inputs": "image", "batch_size": 4},
        20,
        None,
    ),
    "promptsrc-few-shot": (
        "PromptSRCTask",
        {"depth": 9, "aggregation_mean": 30.0, "aggregation_std": 30.0, "lr": 2.5e-3},
        {"inputs": "image", "batch_size": 4},
        50,
        None,
    ),
    "aape-paper": (
        "ClassificationTask",
        {"projection": "bottleneck", "query": "mean", "optimizer": "sgd", **SGD},
        {"class_text": "a photo of a {}.", "batch_size": 32},
        220,  # 20 of them the aggregator's
        {1: 0.3182, 2: 0.5455, 4: 0.5455},
    ),
}
# What each ablation changes of AAPE as the recipe states it, and nothing else.
ABLATIONS = {
    "aape": {},
    "aape-h-only": {"projection": "none"},
    "aape-full": {"projection": "full"},
    "aape-literal": {"projection": "bottleneck"},
    "aape-literal-no-distill": {"projection": "bottleneck", "distillation_weight": 0.0},
    "aape-mean": {"aggregator": "mean"},
    "aape-mlp": {"aggregator": "mlp"},
    "aape-random": {"aggregator": "random"},
    "aape-query-mean": {"query": "mean"},
    "aape-no-distill": {"distillation_weight": 0.0},
}


def content(name):
    return yaml.safe_load(method_path(name).read_text(encoding="utf-8"))


@functools.cache
def built(name, recipe, *more):
    """The resolved configuration of a method over a recipe; not to be changed by a test."""
    return build([*recipe_arguments(recipe, str(method_path(name))), *more]).resolved()


def recipe_of(name):
    return RECIPES.get(content(name)["model"]["class_path"], "shapes")


@pytest.mark.parametrize("name", method_names())
def test_every_method_parses_over_a_fitting_recipe(name):
    config = built(name, recipe_of(name))
    assert config["model"]["class_path"].rpartition(".")[2] == content(name)["model"]["class_path"]
    for section in ("model", "data"):
        for key, value in content(name).get(section, {}).get("init_args", {}).items():
            assert config[section]["init_args"][key] == value, key


@pytest.mark.parametrize("name", method_names())
def test_every_method_says_what_it_is(name):
    assert method_path(name).read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_method_states_its_published_numbers_itself(name):
    task, model, data, epochs, shares = PUBLISHED[name]
    stated = content(name)
    assert stated["model"]["class_path"] == task
    config = built(name, "shapes")
    for section, expected in (("model", model), ("data", data)):
        found = stated.get(section, {}).get("init_args", {})
        for key, value in expected.items():
            assert config[section]["init_args"][key] == value, key
            assert value is None or found[key] == value, f"{key} comes from the recipe or from a default"
    assert stated.get("trainer", {}).get("max_epochs") == epochs
    assert stated.get("epoch_share_by_shots") == shares


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_method_takes_of_the_recipe_only_the_dataset_and_its_augmentation(name):
    """Augmentation is the recipe's, so that all methods of a table see the same views."""
    stated = content(name)
    assert "class_text" in stated["data"]["init_args"]
    if "trainer" in stated:
        assert "batch_size" in stated["data"]["init_args"]


@pytest.mark.parametrize("name", [name for name in recipe_names() if "pacs" in name or name in THE_ELEVEN])
def test_recipes_of_the_benchmarks_crop_and_flip_as_coop_does(name):
    assert built("coop", name)["data"]["init_args"]["views"] == 8


def test_the_papers_lambda_and_aggregator_are_the_defaults():
    model = built("aape-paper", "shapes")["model"]["init_args"]
    assert (model["distillation_weight"], model["aggregator"]) == (5.0, "attention")


@pytest.mark.parametrize("name", [name for name, (*_, shares) in PUBLISHED.items() if shares])
def test_few_shots_are_trained_for_fewer_epochs(name):
    epochs = [built(name, "shapes", f"--data.shots={shots}")["trainer"]["max_epochs"] for shots in (1, 2, 4, 8, 16)]
    aggregator = content(name)["model"]["init_args"].get("aggregator_epochs", 0)
    assert [count - aggregator for count in epochs] == [50, 100, 100, 200, 200]


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_changes_what_it_names_and_nothing_else(name):
    whole, ablated = built("aape", "shapes"), built(name, "shapes")
    assert ablated["model"]["init_args"] == whole["model"]["init_args"] | ABLATIONS[name]
    for section in ("data", "trainer"):
        assert ablated[section] == whole[section]


def test_aape_by_names_changes_the_class_texts_alone():
    whole, named = built("aape", "shapes"), built("aape-names", "shapes")
    assert named["model"] == whole["model"]
    assert named["data"]["init_args"] == whole["data"]["init_args"] | {"class_text": "a photo of a {}."}


def test_every_method_of_classification_is_checked_here():
    methods = {name for name in method_names() if recipe_of(name) == "shapes"}
    assert methods == {*PUBLISHED, *ABLATIONS, "aape-names", "aape-paper-no-distill", "aape-paper-h-only"}


@pytest.mark.parametrize("name", [name for name, (*_, shares) in PUBLISHED.items() if shares])
def test_imagenet_is_always_trained_for_fifty_epochs(name):
    aggregator = content(name)["model"]["init_args"].get("aggregator_epochs", 0)
    for shots in (1, 16):
        assert built(name, "imagenet", f"--data.shots={shots}")["trainer"]["max_epochs"] - aggregator == 50


def test_a_users_epochs_are_the_last_word():
    overrides = ["--data.shots", "1", "--trainer.max_epochs", "7"]
    for recipe in ("imagenet", "shapes"):
        cli = build(recipe_arguments(recipe, str(method_path("coop")), overrides=overrides))
        assert cli.resolved()["trainer"]["max_epochs"] == 7


@pytest.mark.parametrize(
    ("variant", "key", "value"), [("no-distill", "distillation_weight", 0.0), ("h-only", "projection", "none")]
)
def test_the_papers_ablations_change_one_thing_of_its_settings(variant, key, value):
    changed, paper = content(f"aape-paper-{variant}"), content("aape-paper")
    assert changed["model"]["init_args"].pop(key) == value
    paper["model"]["init_args"].pop(key, None)
    assert changed == paper
