"""Every import of the package goes down: `docs/floors.yaml` says the order, which the architecture page draws."""

import ast
import functools
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "aape_lightning"
HOUSE = yaml.safe_load((ROOT / "docs" / "floors.yaml").read_text())
ORDER = [name for floor in HOUSE["floors"] for name in floor["packages"]]
EXCEPTIONS = {(each["from"], each["to"]) for each in HOUSE["exceptions"]}
MODULE = re.compile(r"aape_lightning(\.\w+)+")
NO_LIGHTNING = ("modules", "backbones", "metrics", "language", "formats")


@functools.cache
def imported(source, home="aape_lightning"):
    """Dotted names that a module imports, at its top, in functions and under TYPE_CHECKING."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = home.split(".")[: len(home.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and MODULE.fullmatch(node.value):
            names.add(node.value)  # as importlib takes it
    return names


def part(dotted):
    """The package or module of this project that a dotted name lies in; None for another project's."""
    first, *rest = dotted.split(".")
    if first != "aape_lightning":
        return None
    known = bool(rest) and ((PACKAGE / rest[0]).is_dir() or (PACKAGE / f"{rest[0]}.py").is_file())
    return rest[0] if known else "__init__"


def home_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def upward(path):
    """What a module imports from its own height or above, other than its own package."""
    home = home_of(path)
    own = part(home) if home != "aape_lightning" else "__init__"
    package = home if path.name == "__init__.py" else home.rpartition(".")[0]
    targets = {part(name) for name in imported(path.read_text(), package)} - {None, own}
    return {(own, target) for target in targets if ORDER.index(target) >= ORDER.index(own)} - EXCEPTIONS


@functools.cache
def modules():
    return sorted(path for path in PACKAGE.rglob("*.py") if not set(path.relative_to(PACKAGE).parts[:1]) & {"_recipes"})


def test_each_package_and_module_has_its_floor_once():
    here = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert sorted(ORDER) == sorted(here), "docs/floors.yaml and the package differ"


@pytest.mark.parametrize("name", ORDER)
def test_a_part_imports_only_from_below(name):
    faults = {(home_of(path), *pair) for path in modules() for pair in upward(path) if pair[0] == name}
    assert not faults, f"imports that go up; move the code, or name an exception in docs/floors.yaml: {sorted(faults)}"


def test_exceptions_give_their_reason_and_are_needed():
    for each in HOUSE["exceptions"]:
        assert each["reason"]
        assert ORDER.index(each["to"]) >= ORDER.index(each["from"])
        sources = [path for path in modules() if part(home_of(path)) == each["from"] or each["from"] == "__init__"]
        assert any(each["to"] in {part(name) for name in imported(path.read_text())} for path in sources), each


@pytest.mark.parametrize("name", NO_LIGHTNING)
def test_the_lower_floors_know_no_lightning(name):
    for path in (PACKAGE / name).rglob("*.py"):
        assert not [each for each in imported(path.read_text()) if each.split(".")[0] == "lightning"], path


@pytest.mark.parametrize(
    "source",
    [
        "from aape_lightning.cli import build",
        "import aape_lightning.cli",
        "def late():\n    from aape_lightning import cli",
        "import importlib\nimportlib.import_module('aape_lightning.cli')",
        "from ..cli import build",
    ],
)
def test_an_upward_import_is_seen_wherever_it_stands(source):
    assert "cli" in {part(name) for name in imported(source, "aape_lightning.modules")}


def test_lightning_is_seen():
    assert {"lightning.pytorch.Trainer"} == imported("from lightning.pytorch import Trainer")
