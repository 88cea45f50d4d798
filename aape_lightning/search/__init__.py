"""Search: images by a text, and captions or images by an image, under CLIP's embeddings or AAPE's.

Names are imported on first use, so that light commands do not wait for heavy libraries.
"""

from typing import TYPE_CHECKING

from aape_lightning.lazy import lazy_names

if TYPE_CHECKING:
    from aape_lightning.search.collection import ImageCollection, images_in, images_of
    from aape_lightning.search.encoder import QueryEncoder
    from aape_lightning.search.index import Hit, SearchIndex
    from aape_lightning.search.result import SearchResult
    from aape_lightning.search.write import write_result

__all__ = [
    "Hit",
    "ImageCollection",
    "QueryEncoder",
    "SearchIndex",
    "SearchResult",
    "images_in",
    "images_of",
    "write_result",
]

_HOMES = {
    "Hit": "index",
    "ImageCollection": "collection",
    "QueryEncoder": "encoder",
    "SearchIndex": "index",
    "SearchResult": "result",
    "images_in": "collection",
    "images_of": "collection",
    "write_result": "write",
}

__getattr__ = lazy_names(__name__, _HOMES)
