import pytest
import torch
from aape_lightning.data import RetrievalDataModule, load_caption_manifest
from aape_lightning.data.readers.captions import read_caption_split
from aape_lightning.errors import DataError, ManifestError
from aape_lightning.modules import build_aggregator
from lightning.pytorch import LightningModule


@pytest.fixture
def captioned(toy_captions, toy_root, tiny_clip):
    """Makes a RetrievalDataModule over the toy's captions; keywords change it."""

    def make(manifest=toy_captions, **changes):
        settings = {"root": str(toy_root), "backbone": str(tiny_clip), "batch_size": 8, "num_workers": 0}
        return RetrievalDataModule(str(manifest), **settings | changes)

    return make


@pytest.fixture
def split(toy_captions, toy_root):
    return read_caption_split(load_caption_manifest(str(toy_captions)), toy_root)


class Recorder(LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = {"train": [], "val": [], "test": []}

    def training_step(self, batch, batch_idx):
        self.seen["train"].append({"epoch": self.current_epoch} | batch)
        return self.weight * 0

    def validation_step(self, batch, batch_idx):
        self.seen["val"].append(batch)

    def test_step(self, batch, batch_idx):
        self.seen["test"].append(batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def fitted(quiet_trainer):
    def fit(data, **settings):
        recorder = Recorder()
        quiet_trainer(**{"max_epochs": 1} | settings).fit(recorder, datamodule=data)
        return recorder.seen

    return fit


def embedded(backbone, texts):
    return backbone.encode_text(backbone.tokenize(texts, truncate=True))


@pytest.mark.parametrize("store", [True, False])
def test_training_batches_hold_the_images_own_captions(store, captioned, fitted, split, tiny_backbone):
    data = captioned(store=store)
    for batch in fitted(data)["train"]:
        assert set(batch) == {"epoch", "index", "image_embedding", "prompts", "prompt_mask", "caption"}
        for row, position in enumerate(batch["index"].tolist()):
            own = embedded(tiny_backbone, split.train[position].captions)
            torch.testing.assert_close(batch["prompts"][row][batch["prompt_mask"][row]], own, atol=1e-5, rtol=0)
            assert (own - batch["caption"][row]).abs().amax(1).min() < 1e-5


def test_every_caption_has_its_turn_and_a_seed_repeats_the_turns(captioned, fitted):
    def turns(seed):
        data = captioned(seed=seed, batch_size=30)
        return [batch["caption"][batch["index"].argsort()] for batch in fitted(data, max_epochs=12)["train"]]

    first = turns(1)
    torch.testing.assert_close(torch.stack(first), torch.stack(turns(1)))
    assert not torch.equal(torch.stack(first), torch.stack(turns(2)))
    kinds = {tuple(epoch[0].tolist()) for epoch in first}
    assert len(kinds) == 2  # the first image has two captions


def test_with_views_and_stages_batches_carry_the_summary_of_their_view(captioned, fitted, quiet_trainer):
    data = captioned(views=2, batch_size=30)
    data.trainer = quiet_trainer()
    data.setup("fit")
    aggregator = build_aggregator("attention", 32)
    data.summarize(aggregator)
    train = data._parts["train"]
    batch = data._embedded({"index": torch.arange(30)}, train) | data._prompted(torch.arange(30), train)
    expected = aggregator(*data.bank.gather(train.keys), batch["image_embedding"])
    torch.testing.assert_close(batch["summary"], expected, atol=1e-5, rtol=0)


def test_the_training_part_may_be_the_validation_part_and_then_nothing_is_validated(captioned, fitted, split):
    seen = fitted(captioned(train_on="val"))
    assert len(split.val) == 15
    assert sorted(torch.cat([batch["index"] for batch in seen["train"]]).tolist())[-1] < 15
    assert seen["val"] == []


def test_captions_of_a_part_are_all_of_them(captioned, quiet_trainer, split):
    data = captioned()
    quiet_trainer().test(Recorder(), datamodule=data, verbose=False)
    bank = data.captions()
    assert bank.keys == [image.path for image in split.test]
    assert [tuple(bank.sentences(key)) for key in bank.keys] == [image.captions for image in split.test]


def test_another_caption_makes_another_hash_and_another_root_none(captioned, own_toy_root, toy_captions, toy_root):
    for name in ("toy_captions.yaml", "toy/captions.csv"):
        (own_toy_root / name).write_bytes((toy_root / name).read_bytes())
    assert captioned(root=str(own_toy_root)).contents() == captioned().contents()
    table = own_toy_root / "toy" / "captions.csv"
    table.write_text(table.read_text().replace("a red_car train 0", "a red car to train on"))
    assert captioned(root=str(own_toy_root)).contents() != captioned().contents()


def test_a_dataset_for_testing_alone_says_how_it_is_tested(toy_captions, own_toy_root, toy_root, captioned):
    lines = (toy_root / "toy" / "captions.csv").read_text().splitlines()
    kept = [line for line in lines if not line.endswith(("train", "val"))]
    (own_toy_root / "toy" / "captions.csv").write_text("\n".join(kept))
    data = captioned(root=str(own_toy_root))
    with pytest.raises(DataError, match=r"no images in its part 'train'; its parts are .*test \(20\).*--ckpt_path"):
        data.setup("fit")
    data.setup("test")


def test_a_manifest_of_another_kind_is_refused(captioned, toy_root):
    with pytest.raises(ManifestError, match="is of classes, and what you asked for needs captions"):
        captioned(manifest=toy_root / "toy.yaml")
