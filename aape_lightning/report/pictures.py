"""Figures as the page holds them."""

import base64
from dataclasses import dataclass

from aape_lightning.report.figures import Drawing

__all__ = ["Picture", "picture"]


@dataclass(frozen=True)
class Picture:
    """A figure as the page holds it: `data:` addresses for a light and a dark page."""

    title: str
    caption: str
    alt: str
    light: str
    dark: str
    tall: bool


def picture(drawing: Drawing, light: bytes, dark: bytes) -> Picture:
    """A figure for the page, from its SVG in both themes."""
    return Picture(drawing.title, drawing.caption, drawing.alt, _address(light), _address(dark), drawing.tall)


def _address(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"
