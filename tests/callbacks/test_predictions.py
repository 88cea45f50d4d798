import pandas as pd
import pytest
import torch
from aape_lightning.baselines import ZeroShotTask
from aape_lightning.callbacks import PredictionWriter
from lightning.pytorch import Trainer
from PIL import Image

COLUMNS = ["path", "class", "predicted", "probability"]


def pillow(path):
    with Image.open(path) as image:
        return image.convert("RGB")


@pytest.fixture
def predict(quiet_trainer, toy_data, tmp_path):
    """Predicts with zero-shot CLIP and returns the DataModule and the table."""

    def run(folder=None, **changes):
        data = toy_data(**changes)
        trainer = quiet_trainer(callbacks=[PredictionWriter(None if folder is None else str(folder))])
        trainer.predict(ZeroShotTask(), datamodule=data, return_predictions=False)
        return data, pd.read_csv((folder or tmp_path / "run") / "predictions.csv")

    return run


@pytest.mark.parametrize("store", [True, False])
@pytest.mark.parametrize("classes", ["all", "base", "new"])
def test_there_is_one_row_an_image_with_its_class_and_the_likeliest(classes, store, predict):
    data, table = predict(classes=classes, store=store)
    assert list(table.columns) == COLUMNS
    assert table["path"].tolist() == [item.path for item in data.test_items()]
    transform, opener = data.backbone.transform, data.root / "toy" / "images"
    for row, item in zip(table.itertuples(index=False), data.test_items(), strict=True):
        image = data.backbone.encode_image(transform(pillow(opener / item.path))[None])[0]
        shares = torch.softmax(data.backbone.logit_scale * data.class_embeddings @ image, dim=0)
        assert row[1] == data.class_names[item.label]
        assert row.path.split("/")[0] == row[1].replace(" ", "_")
        assert row.predicted == data.class_names[int(shares.argmax())]
        assert row.probability == pytest.approx(shares.max().item(), rel=1e-4)


def test_the_table_goes_where_it_is_asked_for(predict, tmp_path):
    predict(folder=tmp_path / "made" / "here")
    assert [path.name for path in (tmp_path / "made" / "here").iterdir()] == ["predictions.csv"]


def test_a_second_table_replaces_the_first(predict):
    predict(classes="base")
    _, table = predict(classes="new")
    assert set(table["class"]) == {"yellow sun", "grey stone"}


def test_rows_follow_the_index_of_each_image(toy_data, quiet_trainer, tmp_path):
    data, trainer = toy_data(), quiet_trainer()
    trainer.predict(ZeroShotTask(), datamodule=data)
    order = torch.tensor([7, 0, 19])
    probabilities = torch.tensor([[0.1, 0.6, 0.1, 0.1, 0.1], [0.9, 0.0, 0.1, 0.0, 0.0], [0.0, 0.1, 0.2, 0.3, 0.4]])
    batches = [
        {"index": order[:2], "probabilities": probabilities[:2]},
        {"index": order[2:], "probabilities": probabilities[2:]},
    ]
    PredictionWriter(str(tmp_path)).write_on_epoch_end(trainer, ZeroShotTask(), batches, [])
    table = pd.read_csv(tmp_path / "predictions.csv")
    items = data.test_items()
    assert table["path"].tolist() == [items[i].path for i in (7, 0, 19)]
    assert table["class"].tolist() == ["Blue Boat", "red_car", "grey stone"]
    assert table["predicted"].tolist() == ["Blue Boat", "red_car", "grey stone"]
    assert table["probability"].tolist() == pytest.approx([0.6, 0.9, 0.4])


@pytest.fixture
def gathered(toy_data, quiet_trainer, tmp_path, monkeypatch):
    """Lets two processes write the rows of the positions that each has, in turn; their folder and the images."""
    data, trainer, sent = toy_data(), quiet_trainer(), []
    trainer.predict(ZeroShotTask(), datamodule=data)

    def gather(mine, tables):
        sent.append(mine)
        if tables is not None:
            tables[:] = reversed(sent)

    def write(rank, positions):
        monkeypatch.setattr(Trainer, "world_size", property(lambda _: 2))
        monkeypatch.setattr(Trainer, "is_global_zero", property(lambda _: rank == 0))
        batch = {"index": torch.tensor(positions), "probabilities": torch.full((len(positions), 5), 0.2)}
        PredictionWriter(str(tmp_path / "out")).write_on_epoch_end(trainer, ZeroShotTask(), [batch], [])

    monkeypatch.setattr(torch.distributed, "gather_object", gather)
    return write, tmp_path / "out", data.test_items()


def test_the_first_of_several_processes_writes_the_rows_of_all_in_order(gathered):
    write, folder, items = gathered
    write(1, [1, 3])
    assert not folder.exists()
    write(0, [0, 2, 4])
    assert [path.name for path in folder.iterdir()] == ["predictions.csv"]
    table = pd.read_csv(folder / "predictions.csv")
    assert list(table.columns) == COLUMNS
    assert table["path"].tolist() == [item.path for item in items[:5]]
