"""What a frozen language model reads: rows of soft prefixes and texts, embedded, padded and, to train on, labelled.

Letters: b rows, s positions, l width of the language model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from aape_lightning.errors import LanguageModelError
from aape_lightning.language.loss import IGNORED
from aape_lightning.language.model import LanguageModel

__all__ = ["EmbeddedSegments", "Segment", "embed_segments"]

Segment = Float[Tensor, "_ _"] | str  # a soft prefix of any length, as wide as the language model, or a text


@dataclass(frozen=True, eq=False)
class EmbeddedSegments:
    """Rows as a language model takes them.

    Attributes:
        embeddings: Its input embeddings, in its own dtype.
        attention_mask: 1 at what a row holds, 0 at padding.
        labels: The targets' tokens in their places, and `IGNORED` at soft tokens, prompts and padding; None without
            targets.
        targets_from: The first position at which any row has a label.
    """

    embeddings: Float[Tensor, "b s l"]
    attention_mask: Int[Tensor, "b s"]
    labels: Int[Tensor, "b s"] | None
    targets_from: int


def embed_segments(
    language: LanguageModel,
    rows: Sequence[Sequence[Segment]],
    targets: Sequence[str] | None = None,
    *,
    side: Literal["right", "left"] = "right",
) -> EmbeddedSegments:
    """Embed rows of segments, and behind each its target with the end token.

    No token is put between segments; the end token may stand in a text by its name. What is a label is known by its
    place, never by a token's number.

    Args:
        language: The language model; its weights get no gradient, the soft prefixes do.
        rows: Each a sequence of soft prefixes (t, l) and texts, in the order in which they are read.
        targets: What is to be said behind each row; in training only.
        side: Where shorter rows are padded: `right` to train, `left` to generate.

    Raises:
        LanguageModelError: If a row is longer than the model's context.
        ValueError: If a row is empty, a soft prefix has another width than the model, targets are padded on the left,
            or there are not as many as rows.
    """
    if targets is not None and (side == "left" or len(targets) != len(rows)):
        raise ValueError(
            f"{len(targets)} targets for {len(rows)} rows, padded on the {side}; it must be one a row, on the right."
        )
    ends = [[] for _ in rows] if targets is None else _ended(language, targets)
    pieces = _pieces(language, rows, ends)
    _check_rows(language, pieces)
    embedded = _embed(language, pieces)
    mask = [torch.ones(len(row), dtype=torch.long, device=row.device) for row in embedded]
    return EmbeddedSegments(
        embeddings=pad_sequence(embedded, batch_first=True, padding_side=side),
        attention_mask=pad_sequence(mask, batch_first=True, padding_side=side),
        labels=None if targets is None else _labels(embedded, ends),
        targets_from=min(len(row) - len(end) for row, end in zip(embedded, ends, strict=True)),
    )


def _tokenize(language: LanguageModel, texts: list[str]) -> list[list[int]]:
    # Special tokens would begin every segment of a model such as OPT anew. `verbose` is the tokeniser's own switch for
    # its warning about texts beyond the context.
    return language.tokenizer(texts, add_special_tokens=False, verbose=False).input_ids if texts else []


def _ended(language: LanguageModel, targets: Sequence[str]) -> list[list[int]]:
    return [[*tokens, language.tokenizer.eos_token_id] for tokens in _tokenize(language, list(targets))]


def _pieces(language: LanguageModel, rows: Sequence[Sequence[Segment]], ends: list[list[int]]) -> list[list[Any]]:
    """Each row's soft prefixes as they are and its texts as tokens, the target's last."""
    texts = iter(_tokenize(language, [segment for row in rows for segment in row if isinstance(segment, str)]))
    return [
        [next(texts) if isinstance(segment, str) else segment for segment in row] + [end]
        for row, end in zip(rows, ends, strict=True)
    ]


def _check_rows(language: LanguageModel, pieces: list[list[Any]]) -> None:
    for place, (*read, end) in enumerate(pieces):
        soft = [piece for piece in read if isinstance(piece, Tensor)]
        if wrong := [prefix.shape[-1] for prefix in soft if prefix.shape[-1] != language.width]:
            raise ValueError(
                f"A soft prefix is {wrong[0]} wide; language model {language.name!r} takes {language.width}."
            )
        count = sum(map(len, read))
        if not count:
            raise ValueError(f"Row {place} holds neither a soft token nor a token of text.")
        if count + len(end) > language.context:
            raise LanguageModelError(
                f"Row {place} takes {count + len(end)} tokens, {sum(map(len, soft))} of them soft, "
                f"{count - sum(map(len, soft))} of prompts and {len(end)} of its target; language model "
                f"{language.name!r} takes {language.context} at once. Show fewer examples or shorter texts, or take "
                "a backbone with fewer image tokens."
            )


def _embed(language: LanguageModel, pieces: list[list[Any]]) -> list[Float[Tensor, "_ l"]]:
    """The input embeddings of each row, all texts looked up at once."""
    model: Any = language.model
    table = model.get_input_embeddings()
    texts = [piece for row in pieces for piece in row if isinstance(piece, list)]
    tokens = torch.tensor([token for text in texts for token in text], dtype=torch.long, device=table.weight.device)
    words = table(tokens)
    parts = iter(words.split([len(text) for text in texts]))
    return [torch.cat([next(parts) if isinstance(piece, list) else piece.to(words) for piece in row]) for row in pieces]


def _labels(embedded: list[Float[Tensor, "_ l"]], ends: list[list[int]]) -> Int[Tensor, "b s"]:
    rows = [torch.tensor([IGNORED] * (len(row) - len(end)) + end) for row, end in zip(embedded, ends, strict=True)]
    return pad_sequence(rows, batch_first=True, padding_value=IGNORED).to(embedded[0].device)
