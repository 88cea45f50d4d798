"""Letters of figures that no font here has are told once, in one line."""

import warnings

import pytest
from aape_lightning.report.figures import LIGHT
from aape_lightning.report.figures.drawing import Drawing
from aape_lightning.report.figures.letters import _told, font_families
from matplotlib import font_manager
from matplotlib.figure import Figure

NAMES = ["鳥 bird", "עורב שחור", "طائر", "two\nlines", "a\u202eb", "\u0001"]


@pytest.fixture
def drawing():
    def paint(theme):
        figure = Figure()
        for row, name in enumerate(NAMES):
            figure.text(0.1, 0.1 + 0.14 * row, name)
        return figure

    _told.clear()
    return Drawing("names", "", "", "", paint)


def test_missing_letters_are_told_once_and_the_rest_not(drawing, capsys, monkeypatch):
    monkeypatch.setattr("aape_lightning.report.figures.theme.font_families", lambda: ["DejaVu Sans"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            drawing.render(LIGHT, "png")
    said = capsys.readouterr().err
    assert said.startswith("aape: warning: No font of this machine has 鳥 (CJK): the figures show boxes")
    assert said.count("\n") == 1


def test_fonts_are_those_that_are_installed():
    assert font_families()[0] == "DejaVu Sans"
    assert set(font_families()) <= {font.name for font in font_manager.fontManager.ttflist}


def test_other_warnings_pass(drawing):
    def paint(theme):
        warnings.warn("of something else", UserWarning, stacklevel=1)
        return Figure()

    with pytest.warns(UserWarning, match="of something else"):
        Drawing("x", "", "", "", paint).render(LIGHT, "svg")
