"""The review of sentences by a text model: near-duplicates, strays from other classes, and what fits no class."""
