import pytest
import yaml
from aape_lightning import resources
from aape_lightning.errors import ManifestError, PromptError, RecipeError
from aape_lightning.resources import (
    manifest_names,
    manifest_path,
    method_names,
    method_path,
    recipe_names,
    recipe_path,
    template_set_names,
    template_set_path,
)

KINDS = [
    pytest.param(manifest_names, manifest_path, ManifestError, "manifest", "caltech101", "caltec101", id="manifest"),
    pytest.param(recipe_names, recipe_path, RecipeError, "recipe", "caltech101", "caltec101", id="recipe"),
    pytest.param(method_names, method_path, RecipeError, "method", "zero-shot", "zeroshot", id="method"),
]
each_kind = pytest.mark.parametrize(("names", "find", "error", "kind", "known", "misspelt"), KINDS)


@each_kind
def test_every_name_is_found_and_is_yaml(names, find, error, kind, known, misspelt):
    assert known in names()
    for name in names():
        path = find(name)
        assert path.stem == name
        assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


@each_kind
def test_a_path_is_taken_as_it_is(names, find, error, kind, known, misspelt, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("a: 1")
    assert find(str(path)) == path


@each_kind
def test_an_unknown_name_is_an_error_with_the_closest_one(names, find, error, kind, known, misspelt):
    with pytest.raises(error, match=f"No {kind} '{misspelt}'. Did you mean '{known}'.* one of .*'{known}'"):
        find(misspelt)


@each_kind
def test_a_folder_is_no_file(names, find, error, kind, known, misspelt, tmp_path):
    with pytest.raises(error, match=f"No {kind}"):
        find(str(tmp_path))


def test_methods_are_no_recipes():
    assert not set(recipe_names()) & set(method_names())
    assert all(recipe_path(name).parent.name != "methods" for name in recipe_names())


def test_every_recipe_names_a_manifest_that_ships():
    named = []
    for name in recipe_names():
        data = yaml.safe_load(recipe_path(name).read_text(encoding="utf-8")).get("data", {})
        if manifest := data.get("init_args", data).get("manifest"):
            named.append(manifest_path(manifest.partition("/")[0]))  # a domain is part of its dataset
    assert named


@pytest.mark.parametrize(("name", "count"), [("imagenet-7", 7), ("imagenet-80", 80)])
def test_sets_of_templates_ship_as_a_template_a_line(name, count):
    assert name in template_set_names()
    lines = template_set_path(name).read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    assert len(set(lines)) == len(lines) == count
    assert all(line.count("{}") == 1 and line == line.strip() for line in lines)


def test_another_set_of_templates_is_an_error_with_the_closest():
    with pytest.raises(PromptError, match=r"'imagenet80'. Did you mean 'imagenet-80'.*'imagenet-7', 'imagenet-80'"):
        template_set_path("imagenet80")


def test_neither_templates_nor_class_names_are_manifests():
    assert not {"imagenet-7", "imagenet-80", "templates", "classnames"} & set(manifest_names())


def test_an_installed_package_carries_its_own(tmp_path, monkeypatch):
    for folder in ("_recipes/classification", "_recipes/methods", "_data_manifests/templates"):
        (tmp_path / "package" / folder).mkdir(parents=True)
    (tmp_path / "package" / "_recipes" / "classification" / "birds.yaml").write_text("{}")
    (tmp_path / "package" / "_recipes" / "methods" / "plain.yaml").write_text("{}")
    (tmp_path / "package" / "_data_manifests" / "birds.yaml").write_text("{}")
    (tmp_path / "package" / "_data_manifests" / "templates" / "mine.txt").write_text("my {}.\n")
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "package")
    assert list(template_set_names()) == ["mine"]
    assert (list(recipe_names()), list(method_names()), list(manifest_names())) == (["birds"], ["plain"], ["birds"])
    assert recipe_path("birds") == tmp_path / "package" / "_recipes" / "classification" / "birds.yaml"
