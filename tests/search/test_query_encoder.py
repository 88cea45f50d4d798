import pytest
import torch
from aape_lightning.errors import BackboneMismatchError, BackboneNotFoundError, CheckpointError
from aape_lightning.search import QueryEncoder
from aape_lightning.tasks import GeneratorTask, RetrievalTask
from torch.nn import functional as F


def unit(rows=7):
    return F.normalize(torch.randn(rows, 32, generator=torch.Generator().manual_seed(0)), dim=-1)


def changed(run, path, change):
    """A copy of a run's checkpoint after `change` was at it."""
    checkpoint = torch.load(run / "aape.ckpt", weights_only=True)
    change(checkpoint)
    torch.save(checkpoint, path)
    return path


def test_without_a_checkpoint_the_image_embedding_itself_searches(tiny_clip, tiny_backbone):
    encoder = QueryEncoder.load(backbone=str(tiny_clip))
    assert torch.equal(encoder.queries(unit()), unit())
    assert encoder.fingerprint == tiny_backbone.fingerprint
    assert str(encoder) == f"zero-shot {tiny_clip}"


def test_with_a_checkpoint_its_task_makes_the_queries_on_its_own_backbone(toy_run, tiny_clip):
    encoder = QueryEncoder.load(toy_run / "aape.ckpt")
    task = RetrievalTask.load_from_checkpoint(toy_run / "aape.ckpt")
    with torch.no_grad():
        torch.testing.assert_close(encoder.queries(unit()), task.generator(unit()))
    assert encoder.backbone.name == str(tiny_clip)
    assert str(encoder) == f"{toy_run / 'aape.ckpt'} on {tiny_clip}"


def test_the_residual_form_is_kept(toy_run, tmp_path):
    task = RetrievalTask.load_from_checkpoint(toy_run / "aape.ckpt")

    def residual(checkpoint):
        checkpoint["hyper_parameters"]["retrieve_with"] = "residual"
        checkpoint["state_dict"]["residual_query.share"] = torch.tensor(0.5)

    encoder = QueryEncoder.load(changed(toy_run, tmp_path / "r.ckpt", residual))
    with torch.no_grad():
        expected = F.normalize(unit() + 0.5 * task.generator(unit()), dim=-1)
    torch.testing.assert_close(encoder.queries(unit()), expected)
    assert encoder.fingerprint != QueryEncoder.load(toy_run / "aape.ckpt").fingerprint


def test_both_checkpoints_of_a_run_are_one_encoder_and_other_weights_another(toy_run, tmp_path, tiny_clip):
    first = QueryEncoder.load(toy_run / "aape.ckpt")
    assert first.fingerprint == QueryEncoder.load(toy_run / "last.ckpt").fingerprint
    other = changed(toy_run, tmp_path / "o.ckpt", lambda found: found["state_dict"]["generator.outer.bias"].add_(1))
    fingerprints = {first.fingerprint, QueryEncoder.load(other).fingerprint}
    assert len(fingerprints | {QueryEncoder.load(backbone=str(tiny_clip)).fingerprint}) == 3


def test_a_text_and_an_image_are_what_the_towers_make_of_them(toy_run, tiny_backbone, toy_images):
    encoder, image = QueryEncoder.load(toy_run / "aape.ckpt"), toy_images.open(toy_images.paths[0])
    embedding = tiny_backbone.encode_image(tiny_backbone.transform(image)[None])
    torch.testing.assert_close(encoder.image(image), encoder.task(embedding)[0].detach())
    torch.testing.assert_close(encoder.text("a dog"), tiny_backbone.encode_text(tiny_backbone.tokenize(["a dog"]))[0])
    torch.testing.assert_close(encoder.text("dog " * 60), encoder.text("dog " * 40))


def test_another_backbone_than_the_checkpoints_is_refused(toy_run, other_clip):
    words = r"aape.ckpt' was trained on backbone .*\(width 32, weights .*; found is .*other.pt'.*--backbone"
    with pytest.raises(BackboneMismatchError, match=words):
        QueryEncoder.load(toy_run / "aape.ckpt", str(other_clip))


def test_a_backbone_that_is_gone_may_be_named_anew(toy_run, tmp_path, tiny_clip):
    def move(checkpoint):
        checkpoint["hyper_parameters"]["backbone_spec"]["name"] = "gone/tiny.pt"

    moved = changed(toy_run, tmp_path / "m.ckpt", move)
    with pytest.raises(BackboneNotFoundError, match=r"trained on backbone 'gone/tiny.pt'. Say where that is now with"):
        QueryEncoder.load(moved)
    assert QueryEncoder.load(moved, str(tiny_clip)).backbone.name == str(tiny_clip)
    with pytest.raises(BackboneNotFoundError, match="No backbone 'nonsense'"):
        QueryEncoder.load(moved, "nonsense")


def test_what_is_no_retrieval_checkpoint_is_refused(toy_run, tmp_path, toy_data, quiet_trainer):
    with pytest.raises(CheckpointError, match=r"No trained task can be read from '.*gone.ckpt': there is no such file"):
        QueryEncoder.load(tmp_path / "gone.ckpt")
    (tmp_path / "torn.ckpt").write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match=r"No trained task can be read.*: it is no checkpoint.*aape fit --config"):
        QueryEncoder.load(tmp_path / "torn.ckpt")

    def without_generator(checkpoint):
        for name in [name for name in checkpoint["state_dict"] if name.startswith("generator.")]:
            del checkpoint["state_dict"][name]

    with pytest.raises(CheckpointError, match="holds no trained weights"):
        QueryEncoder.load(changed(toy_run, tmp_path / "w.ckpt", without_generator))
    trainer = quiet_trainer(max_epochs=2)
    trainer.fit(GeneratorTask(aggregator_epochs=1), datamodule=toy_data())
    trainer.save_checkpoint(tmp_path / "g.ckpt")
    with pytest.raises(CheckpointError, match=r"g.ckpt' \(--ckpt\) is of GeneratorTask, and no RetrievalTask"):
        QueryEncoder.load(tmp_path / "g.ckpt")
