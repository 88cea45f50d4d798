"""Tables in Markdown."""

from collections.abc import Iterable, Sequence

__all__ = ["escaped", "pipe_table"]


def pipe_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    r"""A pipe table, numbers to the right.

    Example:
        >>> print(pipe_table(["Method", "Seeds"], [["a|b", "3"]]))
        | Method | Seeds |
        | --- | ---: |
        | a\|b | 3 |
    """
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def escaped(text: str) -> str:
    """Text without what a table or HTML would take for its own."""
    return text.replace("|", "\\|").replace("<", "&lt;")
