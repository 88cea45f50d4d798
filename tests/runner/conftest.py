import pytest
import yaml


@pytest.fixture(scope="module")
def toy_recipe(toy_root, tiny_clip, tmp_path_factory):
    """A recipe of the toy dataset that trains for seconds."""
    recipe = {
        "model": {"class_path": "ClassificationTask", "init_args": {"aggregator_epochs": 1}},
        "data": {
            "class_path": "ClassificationDataModule",
            "init_args": {
                "manifest": str(toy_root / "toy.yaml"), "root": str(toy_root), "backbone": str(tiny_clip),
                "prompts": "llm", "shots": 4, "batch_size": 4, "num_workers": 0, "views": 2,
            },
        },
        "trainer": {"max_epochs": 3, "accelerator": "cpu"},
    }  # fmt: skip
    path = tmp_path_factory.mktemp("recipe") / "toy.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


@pytest.fixture
def method(tmp_path):
    """Writes a method's file."""

    def write(name, content):
        path = tmp_path / f"{name}.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return str(path)

    return write
