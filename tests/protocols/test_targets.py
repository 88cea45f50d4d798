import pytest
import yaml
from aape_lightning.errors import RecipeError
from aape_lightning.protocols.targets import default_targets
from aape_lightning.protocols.transfer import target_name


def test_imagenet_generalizes_to_its_four_variants_and_transfers_to_ten_datasets():
    assert default_targets("domain-generalization", "imagenet") == [
        "imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r",
    ]  # fmt: skip
    datasets = default_targets("cross-dataset", "imagenet")
    assert len(datasets) == 10
    assert "imagenet" not in datasets


def test_a_domain_generalizes_to_the_others_of_its_dataset():
    chosen = ["--data.manifest", "pacs/photo"]
    others = ["pacs/art_painting:target", "pacs/cartoon:target", "pacs/sketch:target"]
    assert default_targets("domain-generalization", "shapes", chosen) == others
    assert default_targets("domain-generalization", "shapes", ["--data.manifest=pacs/photo"]) == others


def test_the_shapes_world_by_itself_is_drawn_flat():
    styles = [f"shapes/{style}:target" for style in ("sketch", "crayon", "neon")]
    assert default_targets("domain-generalization", "shapes") == styles


def test_a_source_is_no_target_of_its_own():
    assert "dtd" not in default_targets("cross-dataset", "dtd")


def test_a_source_without_domains_asks_for_targets(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"data": {"init_args": {"manifest": "caltech101"}}}))
    with pytest.raises(RecipeError, match="no other domains of 'caltech101'"):
        default_targets("domain-generalization", str(path))


@pytest.mark.parametrize(
    ("manifest", "name"),
    [("pacs/sketch:target", "pacs-sketch"), ("imagenet_a", "imagenet_a"), ("./my/birds.yaml", "my-birds")],
)
def test_targets_are_called_by_names_without_slashes(manifest, name):
    assert target_name(manifest) == name
