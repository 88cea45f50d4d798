"""Where sentences come from: `{class: [sentence, ...]}` files, and templates filled with class names."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from aape_lightning.errors import PromptError, listed

__all__ = ["fill_templates", "read_sentences"]

Sentences = dict[str, list[str]]


def read_sentences(path: Path) -> Sentences:
    """Read a sentence file of CuPL's form, `{class name: [sentence, ...]}`.

    Raises:
        PromptError: If the file is missing or of another form.
    """
    if not path.is_file():
        raise PromptError(
            f"No prompt file {str(path)!r}. Put one there, or name one with --data.prompts FILE "
            '(JSON: {"class name": ["sentence", ...]}).'
        )
    try:
        sentences = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PromptError(f"{str(path)!r} is not JSON: {error}.") from error
    if not isinstance(sentences, dict) or not sentences:
        raise PromptError(
            f'{str(path)!r} must hold {{"class name": ["sentence", ...]}}, with at least one class; it holds '
            f"{type(sentences).__name__} {str(sentences)[:40]!r}."
        )
    for name, texts in sentences.items():
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise PromptError(f"{str(path)!r}: class {name!r} must hold a list of sentences, not {texts!r:.60}.")
    return sentences


def fill_templates(class_names: Sequence[str], templates: Sequence[str]) -> Sentences:
    """Each class's sentences from templates such as `a photo of a {}.`; underscores in names read as spaces.

    Raises:
        PromptError: If there is no template, one has no `{}`, or two classes share a name.

    Example:
        >>> fill_templates(["yin_yang"], ["a photo of a {}."])
        {'yin_yang': ['a photo of a yin yang.']}
    """
    if not templates:
        raise PromptError("No template is given; one reads like 'a photo of a {}.'")
    for template in templates:
        if "{}" not in template:
            raise PromptError(f"Template {template!r} has no {{}} for the class name, as in 'a photo of a {{}}.'")
    if twice := [name for name, count in Counter(class_names).items() if count > 1]:
        raise PromptError(f"Classes share the names {listed(twice)}; embeddings are kept by name, so rename them.")
    return {name: [template.replace("{}", name.replace("_", " ")) for template in templates] for name in class_names}
