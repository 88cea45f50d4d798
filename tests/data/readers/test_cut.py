import random
from collections import Counter

import pytest
from aape_lightning.data import Item
from aape_lightning.data.readers.cut import cut_classes
from aape_lightning.data.schema.classes import Cut
from aape_lightning.errors import DataError

HALF = {"train": 0.5, "val": 0.2}
CASES = [
    pytest.param(sizes, rule, seed, id=f"{name}-{rule['train']}-{seed}")
    for name, sizes in {"odd": (5, 7, 11, 4), "even": (10, 20, 4), "one class": (23,)}.items()
    for rule in (HALF, {"train": 0.7, "val": 0.0}, {"train": 0.4, "val": 0.35})
    for seed in (1, 2, 3)
]


def items_of(*sizes):
    """Classes of these sizes, each class's images in order."""
    return [Item(f"{label}/{k:03d}.jpg", label) for label, size in enumerate(sizes) for k in range(size)]


def coops_rule(sizes, train, val, seed):
    """CoOp's rule on paths alone: one generator, class by class, Python's rounding."""
    generator, parts = random.Random(seed), ([], [], [])
    for label, size in enumerate(sizes):
        paths = [f"{label}/{k:03d}.jpg" for k in range(size)]
        generator.shuffle(paths)
        first = round(size * train)
        second = first + round(size * val)
        for part, piece in zip(parts, (paths[:first], paths[first:second], paths[second:]), strict=True):
            part.extend(piece)
    return parts


@pytest.mark.parametrize(("sizes", "rule", "seed"), CASES)
def test_parts_are_those_of_coops_rule_image_for_image(sizes, rule, seed):
    parts = cut_classes(items_of(*sizes), Cut(**rule, seed=seed))
    assert tuple([item.path for item in part] for part in parts) == coops_rule(sizes, **rule, seed=seed)
    assert all(item.label == int(item.path[0]) for part in parts for item in part)


def test_halves_are_rounded_to_even_as_python_rounds():
    train, val, test = cut_classes(items_of(5, 7), Cut(**HALF))
    counts = [Counter(item.label for item in part) for part in (train, val, test)]
    assert counts == [{0: 2, 1: 4}, {0: 1, 1: 1}, {0: 2, 1: 2}]  # round(2.5), round(3.5); round(1.0), round(1.4)


def test_classes_are_cut_in_label_order_whatever_order_they_come_in():
    items = items_of(6, 9)
    mixed = [item for pair in zip(items[6:12], items[:6], strict=True) for item in pair] + items[12:]
    assert cut_classes(mixed, Cut(**HALF)) == cut_classes(items, Cut(**HALF))


def test_what_is_given_is_left_as_it_is():
    items = items_of(8, 8)
    before = list(items)
    cut_classes(items, Cut(**HALF))
    assert items == before


@pytest.mark.parametrize(
    ("sizes", "rule", "label"),
    [
        ((9, 1), HALF, 1),  # round(0.5) = 0 training images
        ((2, 9), HALF, 0),  # round(0.4) = 0 validation images
        ((9, 1), {"train": 0.8, "val": 0.2}, 1),  # nothing is left to validate on
    ],
)
def test_a_class_that_leaves_a_part_empty_is_an_error_that_names_it(sizes, rule, label):
    with pytest.raises(DataError, match=rf"'{label}/\d+\.jpg' \(label {label}\) has {sizes[label]} images, too few"):
        cut_classes(items_of(*sizes), Cut(**rule))


@pytest.mark.parametrize("train", [0.5, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("size", range(5, 40))
def test_where_nothing_is_left_for_testing_no_image_is(size, train):
    """Of five images, half and half are rounded to two and two: the fifth belongs to no test part."""
    parts = cut_classes(items_of(size), Cut(train=train, val=1 - train))
    assert parts[2] == []
    assert len(parts[0]) == round(size * train)
    assert sorted(item.path for item in parts[0] + parts[1]) == [item.path for item in items_of(size)]
