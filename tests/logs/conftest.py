import pytest
from aape_lightning.__main__ import main
from aape_lightning.messages import set_quiet


@pytest.fixture(scope="session")
def fit(toy_root, tiny_clip):
    """Runs `aape fit` of two epochs on the toy dataset into a folder, with further arguments."""

    def run(folder, *more):
        data = {
            "root": toy_root,
            "backbone": tiny_clip,
            "prompts": "llm",
            "shots": 4,
            "batch_size": 4,
            "num_workers": 0,
        }
        arguments = [
            "fit", "--model=ClassificationTask", "--model.aggregator_epochs=1", "--data=ClassificationDataModule",
            f"--data.manifest={toy_root}/toy.yaml", *(f"--data.{name}={value}" for name, value in data.items()),
            "--trainer.max_epochs=2", "--trainer.accelerator=cpu", "--trainer.num_sanity_val_steps=0",
            f"--run={folder}", *more,
        ]  # fmt: skip
        assert main(arguments) == 0
        return folder

    yield run
    set_quiet(False)
