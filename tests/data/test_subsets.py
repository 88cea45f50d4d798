import inspect

import pytest
from aape_lightning.data.splits import Item
from aape_lightning.data.subsets import relabel, subset_labels
from aape_lightning.errors import DataError


@pytest.mark.parametrize(("classes", "base", "new"), [(37, 19, 18), (47, 24, 23), (101, 51, 50), (397, 199, 198)])
def test_base_is_the_larger_half_of_an_odd_number(classes, base, new):
    assert subset_labels(classes, "base") == range(base)
    assert subset_labels(classes, "new") == range(base, classes)
    assert len(subset_labels(classes, "new")) == new


@pytest.mark.parametrize("classes", [2, 3, 10, 100, 1000])
def test_base_and_new_make_up_all(classes):
    base, new = subset_labels(classes, "base"), subset_labels(classes, "new")
    assert [*base, *new] == list(subset_labels(classes, "all")) == list(range(classes))


@pytest.mark.parametrize(("classes", "subset"), [(1, "new"), (0, "all"), (0, "base")])
def test_an_empty_subset_is_an_error(classes, subset):
    with pytest.raises(DataError, match=rf"subset '{subset}' of {classes} class\(es\) is empty"):
        subset_labels(classes, subset)


def test_an_unknown_subset_is_an_error_that_lists_the_known():
    with pytest.raises(DataError, match="'old'; the subsets are all, base and new"):
        inspect.unwrap(subset_labels)(10, "old")  # past the check of the annotations


def test_labels_count_inside_the_subset_and_order_is_kept():
    items = [Item(f"{place}.png", label) for place, label in enumerate((4, 0, 3, 2, 4, 1))]
    assert relabel(items, range(3, 5)) == [Item("0.png", 1), Item("2.png", 0), Item("4.png", 1)]
    assert relabel(items, range(5)) == items
    assert relabel(items, range(5, 6)) == []
