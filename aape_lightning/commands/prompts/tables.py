"""Sentences for the terminal: what a review of all classes found, and one class with notes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aape_lightning.prompts.review.findings import Review, Trimmed
from aape_lightning.prompts.review.flags import KINDS, Flag, Kind
from aape_lightning.prompts.review.notes import Note

__all__ = ["print_class", "print_review", "print_written"]

_CLASSES = 12  # rows of the table
_EXAMPLES = 5  # sentences of a kind
_MEANING: dict[Kind, str] = {
    "near-duplicates": "cosine to an earlier sentence of the class",
    "misplaced": "fit with its class, and with the class that it fits best",
    "off-topic": "fit with the class that it fits best",
}


def print_review(review: Review, title: str) -> None:
    """Print the classes with most flagged sentences, and the most striking sentences of each kind."""
    console = Console()
    console.print(_table(review, title))
    curation = review.curation
    lines = [f"Left out before: {curation.near_empty} near-empty and {curation.duplicates} duplicate sentences."]
    if review.without:
        lines.append(f"Without a sentence: {', '.join(review.without)}.")
    for kind in KINDS:
        flags = [flag for flag in review.flags if flag.kind == kind]
        if flags:
            lines += ["", f"{kind}: {_MEANING[kind]}", *map(_example, flags[:_EXAMPLES])]
        if len(flags) > _EXAMPLES:
            lines.append(f"  and {len(flags) - _EXAMPLES} more (--json lists all)")
    console.print(Text("\n".join(lines)), soft_wrap=True)


def print_written(trimmed: Trimmed, path: Path) -> None:
    """Say what was written, what was dropped, and which classes keep a flagged sentence."""
    left = sum(map(len, trimmed.sentences.values()))
    print(f"\nWritten: {path} with {left} sentences; {trimmed.dropped} dropped.")
    if trimmed.rescued:
        print(f"All sentences were flagged, and the best-fitting one is kept, of: {', '.join(trimmed.rescued)}.")


def _table(review: Review, title: str) -> Table:
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column("Class", overflow="fold")
    for name in ("Sentences", *KINDS):
        table.add_column(name.capitalize(), justify="right")
    counts = review.counts()
    worst = [name for name, count in counts.items() if count.total()]
    for name in worst[:_CLASSES]:
        table.add_row(Text(name), str(len(review.own[name])), *(str(counts[name][kind] or "") for kind in KINDS))
    rest = len(worst) - _CLASSES
    if rest > 0:
        table.add_row(Text(f"{rest} more classes", style="dim"))
    clean = len(counts) - len(worst)
    if clean:
        table.add_row(Text(f"{clean} classes without any", style="dim"))
    table.add_section()
    total = sum(map(len, review.own.values()))
    sums = [sum(count[kind] for count in counts.values()) for kind in KINDS]
    table.add_row(f"{len(counts)} classes", f"{total}", *map(str, sums), style="bold")
    return table


def _example(flag: Flag) -> str:
    sentence = f"[{flag.class_name}] {_one_line(flag.sentence)}"
    if flag.kind == "near-duplicates":
        return f"  {flag.cosine:.3f}  {sentence}\n         {_one_line(flag.against)}"
    if flag.kind == "misplaced":
        return f"  {flag.own:.2f} < {flag.cosine:.2f} with [{flag.against}]  {sentence}"
    return f"  {flag.cosine:.2f} with [{flag.against}]  {sentence}"


def _one_line(text: str) -> str:
    """A sentence without line breaks; generated sentences hold some."""
    return " ".join(text.split())


# ---- one class -----------------------------------------------------------------------------------------------------


def print_class(title: str, notes: Sequence[Note], nearest: Mapping[str, float], context_length: int | None) -> None:
    """Print a class's sentences with what is to be said of each, and the classes nearest to it."""
    console = Console()
    if not notes:
        console.print(Text(f"{title}: no sentences."))
        return
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column("#", justify="right")
    table.add_column("Sentence", overflow="fold", ratio=3)
    table.add_column("Note", overflow="fold", ratio=1)
    for note in notes:
        table.add_row(str(note.number), Text(_one_line(note.sentence)), ", ".join(_remarks(note, context_length)))
    console.print(table)
    if nearest:
        listed = ", ".join(f"{name} {cosine:.3f}" for name, cosine in nearest.items())
        console.print(Text(f"Nearest classes by mean sentence: {listed}"), soft_wrap=True)


def _remarks(note: Note, context_length: int | None) -> list[str]:
    remarks = []
    if note.near_empty:
        remarks.append("near-empty")
    if note.duplicate_of is not None:
        remarks.append(f"duplicate of {note.duplicate_of}")
    if note.near_duplicate_of is not None:
        remarks.append(f"near-duplicate of {note.near_duplicate_of} ({note.cosine:.3f})")
    if note.tokens is not None and context_length is not None and note.tokens > context_length:
        remarks.append(f"{note.tokens} tokens, the context takes {context_length}")
    return remarks
