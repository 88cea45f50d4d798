"""Draws the floors of the package from `docs/floors.yaml`, which tests/docs/test_floors.py holds the imports to."""

import sys
from pathlib import Path
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

DOCS = Path(__file__).parents[1]
sys.path.insert(0, str(DOCS / "figures"))

from drawing import Drawing  # noqa: E402 - it lies beside the figures

_KINDS = ("plain", "frozen", "frozen", "trained", "loss", "trained", "plain")
_COLUMNS, _ROW, _WIDTH = 6, 46, 960


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the figure in both themes, and the page."""
    floors = read_floors()
    for theme in ("light", "dark"):
        files.append(File.generated(config, f"figures/floors-{theme}.svg", content=drawn(floors, theme)))
    files.append(File.generated(config, "architecture.md", content=page(floors)))
    return files


def read_floors() -> list[dict[str, Any]]:
    """The floors from the ground up."""
    found: list[dict[str, Any]] = yaml.safe_load((DOCS / "floors.yaml").read_text(encoding="utf-8"))["floors"]
    return found


def drawn(floors: list[dict[str, Any]], theme: str) -> str:
    """The house, its ground at the bottom; within a floor what stands left is imported by what stands right of it."""
    heights = [_ROW * -(-len(floor["packages"]) // _COLUMNS) + 22 for floor in floors]
    drawing = Drawing(_WIDTH, sum(heights) + 16, theme, "The floors of the package: each imports from those below it.")
    top = float(drawing.height - 8)
    for floor, height, kind in zip(floors, heights, _KINDS, strict=True):
        top -= height
        drawing.box(8, top + 4, _WIDTH - 16, height - 8, "", kind=kind, dashed=True)
        drawing.words(24, top + height / 2, floor["name"], size=15, anchor="start", weight=600)
        for place, name in enumerate(floor["packages"]):
            row, column = divmod(place, _COLUMNS)
            drawing.box(120 + column * 138, top + 11 + row * _ROW, 128, 38, name, kind=kind)
    return drawing.svg()


def page(floors: list[dict[str, Any]]) -> str:
    """The architecture's page: its text, with the list of floors where it asks for them."""
    rows = []
    for number, floor in reversed(list(enumerate(floors))):
        rows += [f"### {number}. {floor['name']}", "", floor["what"][0].upper() + floor["what"][1:] + ".", ""]
        rows += ["| | |", "| --- | --- |", *(f"| `{name}` | {what} |" for name, what in floor["packages"].items()), ""]
    return (DOCS / "hooks" / "architecture.md").read_text(encoding="utf-8").replace("{{ floors }}", "\n".join(rows))
