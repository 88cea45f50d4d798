import pytest
from aape_lightning.data.inspection.check import check_dataset
from aape_lightning.data.inspection.listing import known_datasets
from aape_lightning.data.manifests import read_manifest
from aape_lightning.data.shapes import STYLES


@pytest.mark.parametrize("name", ["shapes_captions", "shapes_questions"])
def test_a_built_in_dataset_is_whole_whatever_the_root(name, tmp_path):
    checked = check_dataset(read_manifest(name), tmp_path / "no", decode="sample")
    assert checked.faults == []
    found = {row: (there, expected) for row, there, expected in checked.rows}
    assert found["train"][0] == found["train"][1]
    assert found["images that are there"] == ("5,100", "5,100")


def test_built_in_datasets_are_listed_as_such(tmp_path):
    built_in = {dataset["name"] for dataset in known_datasets(tmp_path) if dataset["built_in"]}
    styles = {f"shapes/{style}" for style in STYLES}
    assert built_in == {"shapes", *styles, "shapes_captions", "shapes_questions"}
