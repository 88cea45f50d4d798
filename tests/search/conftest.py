import pytest


@pytest.fixture(scope="session")
def toy_run(toy_captions, toy_root, tiny_clip, tmp_path_factory):
    """The folder of a short retrieval run on the toy's captions: aape.ckpt and last.ckpt."""
    from aape_lightning.callbacks import RunFiles
    from aape_lightning.data import RetrievalDataModule
    from aape_lightning.tasks import RetrievalTask
    from lightning.pytorch import Trainer

    folder = tmp_path_factory.mktemp("run")
    data = RetrievalDataModule(
        str(toy_captions), root=str(toy_root), backbone=str(tiny_clip), batch_size=10, num_workers=0
    )
    trainer = Trainer(
        accelerator="cpu", max_epochs=6, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0, callbacks=[RunFiles(str(folder))],
    )  # fmt: skip
    trainer.fit(RetrievalTask(aggregator_epochs=2), datamodule=data)
    return folder


@pytest.fixture
def toy_images(toy_captions, toy_root):
    """The toy's test images with their captions."""
    from aape_lightning.search import images_of

    return images_of(str(toy_captions), toy_root)
