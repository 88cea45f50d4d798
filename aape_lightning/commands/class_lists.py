"""Class lists and templates on a command line: names, files of names, files of sentences, sets of templates."""

from collections.abc import Sequence
from pathlib import Path

__all__ = ["chosen_classes", "chosen_templates"]


def chosen_classes(words: Sequence[str] | None) -> tuple[list[str] | None, dict[str, list[str]] | None]:
    """The classes of `--classes`: their names, and the sentences of those that came with some.

    Args:
        words: Names; `.txt` files with a name a line; `.json` files `{class: [sentence, ...]}`.

    Raises:
        DataError: If a file is missing or no UTF-8.
        PromptError: If a file of sentences is malformed.
    """
    if words is None:
        return None, None
    from aape_lightning.prompts.sources import read_sentences

    names: list[str] = []
    sentences: dict[str, list[str]] = {}
    for word in words:
        suffix = Path(word).suffix.lower()
        if suffix == ".json":
            _require(Path(word), "--classes")
            found = read_sentences(Path(word))
            names += found
            sentences |= found
        elif suffix == ".txt":
            names += _lines(Path(word), "--classes")
        else:
            names.append(word)
    return names, sentences or None


def chosen_templates(words: Sequence[str] | None) -> list[str] | None:
    """The templates of `--templates`.

    Args:
        words: Templates with `{}`, `.txt` files with a template a line, or sets by name such as `imagenet-7`.

    Raises:
        DataError: If a file is missing or no UTF-8.
        PromptError: If there is no such set.
    """
    if words is None:
        return None
    from aape_lightning.resources import template_set_path

    templates: list[str] = []
    for word in words:
        if "{}" in word or " " in word:  # one that lacks its {} is refused where it is filled
            templates.append(word)
        elif Path(word).suffix.lower() == ".txt":
            templates += _lines(Path(word), "--templates")
        else:
            templates += _lines(template_set_path(word), "--templates")
    return templates


def _require(path: Path, option: str) -> None:
    from aape_lightning.errors import DataError

    if not path.is_file():
        raise DataError(f"No file {str(path)!r} ({option}).")


def _lines(path: Path, option: str) -> list[str]:
    from aape_lightning.errors import DataError

    _require(path, option)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{str(path)!r} ({option}) is not a text file in UTF-8: {error}.") from error
    return [line.strip() for line in text.splitlines() if line.strip()]
