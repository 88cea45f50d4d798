"""Sentences about classes: where they come from, how they are curated, embedded and stored.

Names are imported on first use, so that light commands do not wait for heavy libraries.
"""

from typing import TYPE_CHECKING

from aape_lightning.lazy import lazy_names

if TYPE_CHECKING:
    from aape_lightning.prompts.bank import PromptBank, open_or_build_bank
    from aape_lightning.prompts.curation import Curation, curate
    from aape_lightning.prompts.embedding import embed_texts
    from aape_lightning.prompts.names import match_names
    from aape_lightning.prompts.sources import fill_templates, read_sentences

__all__ = [
    "Curation",
    "PromptBank",
    "curate",
    "embed_texts",
    "fill_templates",
    "match_names",
    "open_or_build_bank",
    "read_sentences",
]

_HOMES = {
    "Curation": "curation",
    "PromptBank": "bank",
    "curate": "curation",
    "embed_texts": "embedding",
    "fill_templates": "sources",
    "match_names": "names",
    "open_or_build_bank": "bank",
    "read_sentences": "sources",
}

__getattr__ = lazy_names(__name__, _HOMES)
