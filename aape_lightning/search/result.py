"""A search and what it found: for the terminal, for files, and for scripts."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from PIL.Image import Image
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from aape_lightning.search.collection import Says
from aape_lightning.search.index import Hit

__all__ = ["Find", "SearchResult", "one_line"]

Find = Literal["images", "captions"]
_TEXTS: dict[Says, str] = {"captions": "First caption", "classes": "Class"}


@dataclass(frozen=True)
class SearchResult:
    """A search and what it found.

    Attributes:
        query: The text, or the path of the image.
        picture: The image where one searches; None for a text.
        find: What was looked for.
        says: What the hits' texts are.
        among: Where was searched: a dataset's part, or a folder.
        encoder: What searches: zero-shot CLIP, or a checkpoint and its backbone.
        hits: The best first.
    """

    query: str
    picture: Image | None
    find: Find
    says: Says
    among: str
    encoder: str
    hits: list[Hit]

    @property
    def heading(self) -> str:
        """The search in one line."""
        how = "like" if self.picture and self.find == "images" else "for"
        return f"{self.find.capitalize()} {how} “{one_line(self.query)}”"

    @property
    def details(self) -> str:
        """Where was searched, and by what."""
        return f"{self.among}; {self.encoder}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, scores at full precision."""
        searched = {"query": {"image" if self.picture else "text": self.query}, "find": self.find}
        return searched | {"among": self.among, "encoder": self.encoder, "hits": [asdict(hit) for hit in self.hits]}

    def table(self) -> Table:
        """The hits as a table for the terminal."""
        table = Table(
            title=Text(self.heading),
            title_style="bold",
            title_justify="left",
            caption=Text(self.details),
            caption_justify="left",
            box=SIMPLE_HEAD,
            show_edge=False,
        )
        table.add_column("Rank", justify="right", no_wrap=True)
        table.add_column("Score", justify="right", no_wrap=True)
        columns = self._columns()
        for name in columns:
            table.add_column(name, overflow="fold")
        for number, hit in enumerate(self.hits):
            cells = (Text(one_line(column[number])) for column in columns.values())
            table.add_row(str(hit.rank), f"{hit.score:.4f}", *cells)
        return table

    def _columns(self) -> dict[str, list[str]]:
        images, texts = [hit.image for hit in self.hits], [hit.text for hit in self.hits]
        if self.find == "captions":
            return {"Caption": texts, "Image": images}
        return {"Image": images} | ({_TEXTS[self.says]: texts} if self.says in _TEXTS else {})


def one_line(text: str) -> str:
    """A text without line breaks."""
    return " ".join(text.split())
