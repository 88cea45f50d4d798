"""The paper's tables and our studies: each names what exists, and runs on the shapes world, its sizes turned down."""

import pytest
import torch
from aape_lightning.backbones.clip import clip
from aape_lightning.protocols.results import RESULT_FILE, Result
from aape_lightning.protocols.written import read_written
from aape_lightning.resources import method_names, recipe_names, written_names
from aape_lightning.runner import Request, run_protocol
from aape_lightning.tasks.pretraining import save_openai_weights

SHAPES = {
    "retrieval": "shapes_retrieval",
    "captioning": "shapes_captioning",
    "vqa": "shapes_vqa",
}
SMALL = (
    "--trainer.accelerator", "cpu", "--trainer.max_epochs", "21", "--trainer.limit_train_batches", "1",
    "--trainer.limit_val_batches", "1", "--trainer.limit_test_batches", "1", "--model.aggregator_epochs", "20",
    "--data.views", "1", "--data.num_workers", "0",
)  # fmt: skip
SMALL_LANGUAGE = (
    *SMALL[:2], "--trainer.max_steps", "1", *SMALL[4:10], "--data.num_workers", "0", "--data.batch_size", "2",
    "--data.degradations", "[none]",
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(written_names()))
def test_it_names_what_exists(name):
    written = read_written(name)
    assert set(written.recipes) <= set(recipe_names())
    assert set(written.methods) <= set(method_names())
    assert len(set(written.methods)) == len(written.methods)


@pytest.fixture(scope="module")
def small_vit(tmp_path_factory):
    """A random ViT whose texts are long enough for 16 words of context and a class's name."""
    path = tmp_path_factory.mktemp("clip") / "small_vit.pt"
    torch.manual_seed(0)
    save_openai_weights(clip.model.CLIP(32, 32, 2, 64, 16, 32, 49408, 64, 1, 2), path)
    return path


def turned_down(name, out, backbone):
    """The protocol that a file states, on the shapes world: one seed, two values of each key, a step an epoch."""
    written = read_written(name)
    ours = SHAPES.get(name, "shapes")
    language = ours in ("shapes_captioning", "shapes_vqa")
    vary = {key: list(dict.fromkeys([values[0], values[-1]])) for key, values in written.vary.items()}
    if "data.backbone" in vary:
        vary["data.backbone"] = [str(backbone)]
    return Request(
        protocol=written.protocol,
        recipes=[ours],
        methods=[method for method in written.methods if not (language and method.endswith("aape"))],
        seeds=[1],
        out=out,
        vary=vary,
        over=written.over,
        targets=["shapes/sketch:target"] if written.targets else [],
        backbone=None if language or "data.backbone" in vary else str(backbone),
        overrides=[*written.arguments(), *(SMALL_LANGUAGE if language else SMALL)],
    )


@pytest.mark.parametrize("name", sorted(written_names()))
def test_it_runs_on_the_shapes_world_with_its_sizes_turned_down(name, small_vit, tmp_path, capsys):
    request = turned_down(name, tmp_path / "out", small_vit)
    run_protocol(request)
    found = [Result.read(path) for path in (tmp_path / "out").rglob(RESULT_FILE)]
    assert len(found) == len(request.jobs())
    assert {result.protocol for result in found} == {request.protocol}
    assert {result.method for result in found} == set(request.methods)
    assert all(result.metrics for result in found)
