"""What a review of sentences found, and the sentences without it."""

from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from aape_lightning.prompts.curation import Curation
from aape_lightning.prompts.review.flags import KINDS, Flag, Kind

__all__ = ["Review", "Trimmed"]


@dataclass(frozen=True)
class Trimmed:
    """Sentences without the flagged ones.

    Attributes:
        sentences: What is left, by class.
        dropped: How many were left out.
        rescued: Classes whose sentences were all flagged, and that keep the one that fits them best.
    """

    sentences: dict[str, list[str]]
    dropped: int
    rescued: list[str]


@dataclass(frozen=True)
class Review:
    """What a text model finds in sentences.

    Attributes:
        curation: The light curation that came first.
        without: Classes that had no sentence to review.
        flags: The sentences that stand out, by kind, the most striking first.
        own: The fit of each curated sentence with its own class, by class.
    """

    curation: Curation
    without: list[str]
    flags: list[Flag]
    own: dict[str, list[float]]

    def counts(self) -> dict[str, Counter[Kind]]:
        """How many sentences of each kind each class has; classes with most flagged sentences first."""
        counts: dict[str, Counter[Kind]] = {name: Counter() for name in self.own}
        flagged: dict[str, set[int]] = {name: set() for name in self.own}
        for flag in self.flags:
            counts[flag.class_name][flag.kind] += 1
            flagged[flag.class_name].add(flag.position)
        return dict(sorted(counts.items(), key=lambda item: -len(flagged[item[0]])))

    def trim(self, kinds: Collection[Kind]) -> Trimmed:
        """Leave out the sentences of some kinds; no class that had sentences is left without one."""
        flagged = {(flag.class_name, flag.position) for flag in self.flags if flag.kind in kinds}
        kept: dict[str, list[str]] = {}
        rescued = []
        for name, texts in self.curation.sentences.items():
            kept[name] = [text for position, text in enumerate(texts) if (name, position) not in flagged]
            if not kept[name]:
                _, best = max(zip(self.own[name], texts, strict=True))
                kept[name] = [best]
                rescued.append(name)
        dropped = sum(map(len, self.curation.sentences.values())) - sum(map(len, kept.values()))
        return Trimmed(kept | {name: [] for name in self.without}, dropped, rescued)

    def as_json(self) -> dict[str, Any]:
        """Everything in plain values."""
        return {
            "sentences": sum(map(len, self.own.values())),
            "near_empty": self.curation.near_empty,
            "duplicates": self.curation.duplicates,
            "without_sentences": self.without,
            "classes": {
                name: {"sentences": len(self.own[name])} | {kind: count[kind] for kind in KINDS}
                for name, count in self.counts().items()
            },
            "flags": [asdict(flag) for flag in self.flags],
        }
