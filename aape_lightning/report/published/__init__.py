"""Published numbers, with where they were read; shown beside ours only where the setting is the same."""

from aape_lightning.report.published.citations import Citations, cite
from aape_lightning.report.published.rows import AVERAGE, THE_ELEVEN, Published, published_numbers
from aape_lightning.report.published.selection import published_for

__all__ = ["AVERAGE", "THE_ELEVEN", "Citations", "Published", "cite", "published_for", "published_numbers"]
