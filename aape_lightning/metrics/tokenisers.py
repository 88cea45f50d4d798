"""How captions are cut into words before they are scored; scores under different tokenisers are not comparable."""

import re
from collections.abc import Sequence
from typing import Literal

from aape_lightning.errors import MetricError
from aape_lightning.metrics.java import caption_tools, has_java, require_java, run_java

__all__ = ["TOKENIZERS", "Tokenizer", "available_tokenizer", "check_tokenizer", "tokenise"]

Tokenizer = Literal["ptb", "simple"]
TOKENIZERS: tuple[Tokenizer, ...] = ("ptb", "simple")

# Clitics first (do n't, dog 's), as PTB cuts them; then words, with hyphens, points and commas inside; then each mark.
_PIECES = re.compile(r"\w+?(?=n't\b)|n't\b|'(?:s|d|m|re|ve|ll)\b|\w+(?:[-.,]\w+)*|[^\w\s]")
# What COCO's evaluation drops from PTB's output; a bracket, which PTB spells -lrb- and it forgets, is dropped too.
_DROPPED = frozenset("'`\".?!,:;-()[]{}“”‘’…–—")


def available_tokenizer() -> Tokenizer:
    """`ptb` where there is Java, else `simple`."""
    return "ptb" if has_java() else "simple"


def check_tokenizer(tokenizer: str) -> None:
    """Refuse a tokeniser that cannot run here.

    Raises:
        MetricError: If it is unknown, or needs what is not installed.
    """
    if tokenizer not in TOKENIZERS:
        raise MetricError(f"No tokenizer {tokenizer!r}; there are {' and '.join(map(repr, TOKENIZERS))}.")
    if tokenizer == "ptb":
        require_java("The tokenizer 'ptb'")
    caption_tools()


def tokenise(texts: Sequence[str], tokenizer: Tokenizer = "ptb") -> list[str]:
    """Texts in lower case as words with single spaces between them, without punctuation.

    Args:
        texts: Captions; an empty one stays empty.
        tokenizer: `ptb`, COCO's: Stanford's Penn Treebank tokeniser with COCO's list of punctuation, in Java; or
            `simple`, ours, which needs no Java: it cuts off n't, 's, 'd, 'm, 're, 've and 'll, keeps hyphens, points
            and commas inside words, and drops what is on COCO's list, brackets, and typographic quotes and dashes.

    Raises:
        MetricError: If the tokeniser is unknown, or needs what is not installed.

    Example:
        >>> tokenise(["Two dogs don't bark; one's asleep."], "simple")
        ["two dogs do n't bark one 's asleep"]
    """
    check_tokenizer(tokenizer)
    lines = [" ".join(text.split()) for text in texts]  # Java ends a line where Python sees other white space
    if tokenizer == "simple":
        return [" ".join(_simple(line)) for line in lines]
    kept = iter(_ptb([line for line in lines if line]))
    return [next(kept) if line else "" for line in lines]


def _simple(text: str) -> list[str]:
    pieces: list[str] = _PIECES.findall(text.lower().replace("’", "'"))
    return [piece for piece in pieces if piece not in _DROPPED]


def _ptb(lines: list[str]) -> list[str]:
    from pycocoevalcap.tokenizer.ptbtokenizer import PUNCTUATIONS, STANFORD_CORENLP_3_4_1_JAR

    if not lines:
        return []
    jar = caption_tools() / "tokenizer" / STANFORD_CORENLP_3_4_1_JAR
    arguments = ("edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase")
    cut = run_java(jar, *arguments, text="\n".join(lines)).split("\n")
    if len(cut) != len(lines):
        raise MetricError(f"The tokenizer 'ptb' made {len(cut)} lines of {len(lines)} captions.")
    return [" ".join(word for word in line.rstrip().split(" ") if word not in PUNCTUATIONS) for line in cut]
