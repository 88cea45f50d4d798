"""A small SVG writer for the documentation's diagrams: boxes, arrows and words, in a light and a dark variant."""

from dataclasses import dataclass, field
from html import escape
from pathlib import Path

FONT = "font-family='system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif'"

# Fill, line and text of each kind of box.
THEMES: dict[str, dict[str, tuple[str, str, str]]] = {
    "light": {
        "plain": ("#f4f5f9", "#8a90a6", "#22263a"),
        "frozen": ("#e3ebf7", "#5b7fb5", "#1d3557"),
        "trained": ("#e0f2ea", "#2f8f6b", "#124734"),
        "loss": ("#fdeedd", "#c9812f", "#5c3608"),
        "line": ("none", "#5a6078", "#3c4157"),
    },
    "dark": {
        "plain": ("#2b2f40", "#7b829c", "#e6e8f2"),
        "frozen": ("#22344f", "#6f9ad8", "#dbe8fb"),
        "trained": ("#1d3f33", "#4fb893", "#d6f5e8"),
        "loss": ("#4a3419", "#dba155", "#fdebd2"),
        "line": ("none", "#9aa1bb", "#c9cde0"),
    },
}


@dataclass
class Drawing:
    """One diagram in one theme.

    Attributes:
        width: In pixels, as all lengths are.
        height: In pixels.
        theme: `light` or `dark`.
        title: What the picture shows, for readers who do not see it.
    """

    width: int
    height: int
    theme: str
    title: str
    parts: list[str] = field(default_factory=list)

    def box(
        self, x: float, y: float, w: float, h: float, lines: str, *, kind: str = "plain", dashed: bool = False
    ) -> None:
        """A rounded box with centred lines; the first one is bold where there are several."""
        fill, line, ink = THEMES[self.theme][kind]
        dash = " stroke-dasharray='5 4'" if dashed else ""
        self.parts.append(
            f"<rect x='{x}' y='{y}' width='{w}' height='{h}' rx='8' fill='{fill}' stroke='{line}' "
            f"stroke-width='1.4'{dash}/>"
        )
        rows = lines.split("\n")
        top = y + h / 2 - (len(rows) - 1) * 9
        for number, row in enumerate(rows):
            weight = 600 if number == 0 and len(rows) > 1 else 400
            self._words(x + w / 2, top + number * 18, row, ink, size=14 if number == 0 else 12.5, weight=weight)

    def arrow(self, *points: tuple[float, float], label: str = "", dashed: bool = False) -> None:
        """A line through the points that ends in an arrow, with a label above its first stretch."""
        _, line, ink = THEMES[self.theme]["line"]
        path = " ".join(f"{'M' if number == 0 else 'L'} {x} {y}" for number, (x, y) in enumerate(points))
        dash = " stroke-dasharray='5 4'" if dashed else ""
        self.parts.append(
            f"<path d='{path}' fill='none' stroke='{line}' stroke-width='1.5'{dash} marker-end='url(#tip)'/>"
        )
        if label:
            (x0, y0), (x1, _) = points[0], points[1]
            self._words((x0 + x1) / 2, y0 - 10, label, ink, size=13)

    def words(
        self, x: float, y: float, text: str, *, size: float = 13, anchor: str = "middle", weight: int = 400
    ) -> None:
        """Words that stand by themselves."""
        self._words(x, y, text, THEMES[self.theme]["line"][2], size=size, anchor=anchor, weight=weight)

    def _words(
        self, x: float, y: float, text: str, ink: str, *, size: float, anchor: str = "middle", weight: int = 400
    ) -> None:
        self.parts.append(
            f"<text x='{x}' y='{y}' fill='{ink}' font-size='{size}' font-weight='{weight}' text-anchor='{anchor}' "
            f"dominant-baseline='central' {FONT}>{escape(text)}</text>"
        )

    def svg(self) -> str:
        """The whole picture."""
        line = THEMES[self.theme]["line"][1]
        tip = (
            "<defs><marker id='tip' viewBox='0 0 10 10' refX='9' refY='5' markerWidth='7' markerHeight='7' "
            "orient='auto'>"
            f"<path d='M 0 0 L 10 5 L 0 10 z' fill='{line}'/></marker></defs>"
        )
        head = (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {self.width} {self.height}' width='{self.width}' "
            f"height='{self.height}' role='img'><title>{escape(self.title)}</title>"
        )
        return "\n".join([head, tip, *self.parts, "</svg>", ""])

    def write(self, folder: Path, name: str) -> Path:
        """Write `NAME-THEME.svg`."""
        path = folder / f"{name}-{self.theme}.svg"
        path.write_text(self.svg(), encoding="utf-8")
        return path
