import json
import random

import pytest
from aape_lightning.data import Item, Split, draw, load_manifest, read_split
from aape_lightning.errors import DataError

DRAWS = [
    pytest.param(dataset, shots, seed, id=f"{dataset}-{shots}-{seed}")
    for dataset in ("caltech101", "eurosat", "stanford_cars")
    for shots in (1, 4, 16)
    for seed in (1, 2)
]


def split(train, val=(), classes=4):
    """A split whose items are named by their position in the file; `train` and `val` are lists of labels."""
    items = {
        part: [Item(f"{part}/{position}", label) for position, label in enumerate(labels)]
        for part, labels in (("train", train), ("val", val))
    }
    return Split([f"class {label}" for label in range(classes)], **items, test=[Item("test/0", 0)])


def unsorted_split():
    """The classes first appear in the order 2, 0, 3, 1, and their images lie scattered over the file."""
    labels = [2, 0, 3, 1] + [random.Random(k).randrange(4) for k in range(80)]
    return split(labels, labels[:40])


@pytest.mark.shared_data
@pytest.mark.parametrize(("dataset", "shots", "seed"), DRAWS)
def test_equals_coops_draw_file_for_file(dataset, shots, seed, shared_data):
    manifest = load_manifest(dataset)
    theirs = json.loads((shared_data / "draws" / dataset / f"shot_{shots}-seed_{seed}.json").read_text())
    whole = read_split(manifest, shared_data)
    ours = draw(whole, shots, seed)
    prefix = "/".join(part for part in ("./data", manifest.folder[0], manifest.images[0]) if part != ".") + "/"
    for part in ("train", "val"):
        expected = [
            (entry["impath"].removeprefix(prefix), entry["label"], entry["classname"]) for entry in theirs[part]["data"]
        ]
        drawn = [(item.path, item.label, whole.class_names[item.label]) for item in getattr(ours, part)]
        assert drawn == expected


@pytest.mark.shared_data
def test_every_published_draw_is_compared(shared_data):
    found = sorted(f"{path.parent.name}/{path.name}" for path in (shared_data / "draws").glob("*/*.json"))
    assert found == sorted("{}/shot_{}-seed_{}.json".format(*parameters.values) for parameters in DRAWS)


@pytest.mark.shared_data
def test_equals_a_published_draw_of_two_shots_and_seed_three(shared_data):
    """Positions in the split file, as cross_modal_adaptation's indices/eurosat/shot_2-seed_3.json lists them."""
    whole = read_split(load_manifest("eurosat"), shared_data)
    drawn = draw(whole, 2, 3)
    assert [whole.train.index(item) for item in drawn.train] == [
        487, 1213, 2614, 1767, 3757, 4236, 5470, 5689, 5884, 6990,
        7013, 7930, 8960, 8531, 10378, 9729, 11142, 11713, 13107, 13125,
    ]  # fmt: skip
    assert [whole.val.index(item) for item in drawn.val] == [
        487, 406, 754, 837, 1355, 1735, 1999, 2179, 2307, 2643, 3197, 2832,
        3281, 3588, 3743, 4008, 4699, 4315, 5075, 5284,
    ]  # fmt: skip


def test_classes_come_in_the_order_of_their_first_image():
    drawn = draw(unsorted_split(), 3, seed=1)
    assert [item.label for item in drawn.train] == [2, 2, 2, 0, 0, 0, 3, 3, 3, 1, 1, 1]


def test_one_generator_deals_training_before_validation():
    whole, generator = unsorted_split(), random.Random(7)
    expected = {}
    for part, count in (("train", 6), ("val", 4)):
        groups = [[item for item in whole.part(part) if item.label == label] for label in (2, 0, 3, 1)]
        expected[part] = [item for group in groups for item in generator.sample(group, count)]
    drawn = draw(whole, 6, seed=7)
    assert (drawn.train, drawn.val) == (expected["train"], expected["val"])


@pytest.mark.parametrize("shots", [1, 2, 4, 5, 8])
def test_validation_takes_at_most_four_images_a_class(shots):
    drawn = draw(unsorted_split(), shots, seed=1)
    assert [sum(item.label == label for item in drawn.train) for label in range(4)] == [shots] * 4
    assert [sum(item.label == label for item in drawn.val) for label in range(4)] == [min(shots, 4)] * 4


def test_no_image_is_drawn_twice():
    drawn = draw(unsorted_split(), 8, seed=3)
    assert len(set(drawn.train)) == len(drawn.train)


def test_a_class_with_fewer_images_than_shots_gives_them_all_in_file_order():
    whole = split([1, 0, 0, 0, 1, 0, 0, 2, 3], [0, 1])
    drawn = draw(whole, 4, seed=1)
    assert [item.path for item in drawn.train if item.label == 1] == ["train/0", "train/4"]
    assert sum(item.label == 0 for item in drawn.train) == 4


def test_a_small_class_does_not_move_the_generator():
    """`random.sample` is not called for it: the next class is drawn as if the small one were not there."""

    def places(labels):
        drawn = draw(split(labels), 4, seed=5).train
        return [int(item.path.removeprefix("train/")) - labels.index(2) for item in drawn if item.label == 2]

    assert places([0] * 9 + [1] * 2 + [2] * 9) == places([0] * 9 + [2] * 9)


def test_zero_shots_keep_the_whole_split():
    whole = unsorted_split()
    drawn = draw(whole, 0, seed=1)
    assert (drawn.train, drawn.val) == (whole.train, whole.val)


def test_negative_shots_are_an_error():
    with pytest.raises(DataError, match=r"shots is -1; it must be 0"):
        draw(unsorted_split(), -1, seed=1)


def test_seeds_differ_and_repeat():
    whole = unsorted_split()
    assert draw(whole, 4, seed=1) == draw(whole, 4, seed=1)
    assert draw(whole, 4, seed=1) != draw(whole, 4, seed=2)


def test_the_global_generator_has_no_say():
    random.seed(0)
    first = draw(unsorted_split(), 4, seed=1)
    random.seed(1)
    assert draw(unsorted_split(), 4, seed=1) == first
