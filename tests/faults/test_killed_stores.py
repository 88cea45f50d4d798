"""`aape cache build` that is killed at any moment, and `aape prompts embed`."""

from aape_lightning.data import features
from aape_lightning.prompts import embedding
from trials import Activity, digests, kill_and_repeat


def in_small_shards():
    """Many shards of few images and sentences, as large ones have many of many."""
    features._PER_SHARD = 32
    embedding._SHARD = 32


def cache(folder):
    return digests(folder, "cache/**/*")


def test_stores_of_a_killed_build(toy_recipe, larger_root, tmp_path):
    words = ["cache", "build", "--recipe", toy_recipe, "--data-root", larger_root]
    more = ["--data.manifest", larger_root / "toy.yaml", "--data.shots", 16, "--data.views", 6]
    activity = Activity("store building", [*words, *more], cache, prepare=in_small_shards)
    kill_and_repeat(activity, tmp_path)


def test_banks_of_a_killed_embedding(tiny_clip, larger_root, tmp_path):
    words = ["prompts", "embed", "--manifest", larger_root / "toy.yaml", "--root", larger_root, "--backbone", tiny_clip]
    activity = Activity(
        "prompt embedding", [*words, "--prompts", "llm", "--out", "own.safetensors"],
        lambda folder: digests(folder, "cache/**/*", "*.safetensors"), prepare=in_small_shards,
    )  # fmt: skip
    kill_and_repeat(activity, tmp_path)
