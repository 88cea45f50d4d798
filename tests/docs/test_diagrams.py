"""The diagrams that are kept are those that their script draws, in both themes."""

import itertools
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from docs.shown import ROOT

sys.path.insert(0, str(ROOT / "docs" / "figures"))
sys.path.insert(0, str(ROOT / "docs" / "hooks"))
import architecture
import schemes

FIGURES = ROOT / "docs" / "figures"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("draw", [schemes.flow, schemes.factorised], ids=lambda draw: draw.__name__)
def test_a_kept_diagram_is_what_is_drawn(draw, theme):
    kept = (FIGURES / f"{draw.__name__}-{theme}.svg").read_text()
    assert kept == draw(theme).svg(), "python docs/figures/schemes.py"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_house_shows_every_part_on_its_floor(theme):
    floors = architecture.read_floors()
    drawn = ElementTree.fromstring(architecture.drawn(floors, theme))
    heights = {word.text: float(word.get("y")) for word in drawn.iter("{http://www.w3.org/2000/svg}text")}
    for below, above in itertools.pairwise(floors):
        lowest_above = max(heights[name] for name in above["packages"])
        assert all(heights[name] > lowest_above for name in below["packages"]), "the ground is at the bottom"


def test_diagrams_have_words_for_readers_who_do_not_see_them():
    for path in FIGURES.glob("*.svg"):
        title = ElementTree.parse(path).getroot().find("{http://www.w3.org/2000/svg}title")
        assert len(title.text) > 30
