"""Where sentences come from: files of several forms, and templates filled with class names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from aape_lightning.errors import PromptError, did_you_mean, listed, shown
from aape_lightning.formats.json_content import parse_json
from aape_lightning.prompts.descriptors import are_descriptors, compose

__all__ = ["PromptFormat", "fill_templates", "read_sentences"]

PromptFormat = Literal["sentences", "descriptors", "by-dataset"]
Sentences = dict[str, list[str]]


def read_sentences(path: Path, *, format: PromptFormat | None = None, dataset: str = "") -> Sentences:
    """Read a file of sentences about classes.

    Args:
        path: A JSON file.
        format: `sentences` is `{class: [sentence, ...]}` (CuPL, ProText, CoPrompt); `descriptors` is
            `{class: [phrase, ...]}` (VisDesc), composed into sentences; `by-dataset` is `{dataset: {class: [...]}}`
            (LAION's CLIP_benchmark). Recognised by its content where None.
        dataset: The dataset's key in a file of several; its case and what is neither letter nor digit do not matter.

    Returns:
        Sentences by the file's own class names; a class may have none.

    Raises:
        PromptError: If the file is missing, of another form, or lacks the dataset.
    """
    content = _read_json(path)
    if format == "by-dataset" or (format is None and any(isinstance(value, dict) for value in content.values())):
        content = _of_dataset(path, content, dataset)
        format = None  # what is inside has a form of its own
    for name, texts in content.items():
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise PromptError(f"{str(path)!r}: class {shown(name)} must hold a list of sentences, not {shown(texts)}.")
    if format == "descriptors" or (format is None and are_descriptors(content)):
        return {
            name: [compose(name, phrase) for phrase in phrases if phrase.strip(" .")]  # nothing makes no sentence
            for name, phrases in content.items()
        }
    return content


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise PromptError(
            f"No prompt file {str(path)!r}. Put one there, or name one with --data.prompts FILE "
            '(JSON: {"class name": ["sentence", ...]}).'
        )
    content = parse_json(path, PromptError)
    if not isinstance(content, dict) or not content:
        raise PromptError(
            f'{str(path)!r} must hold {{"class name": ["sentence", ...]}}, with at least one class; it holds '
            f"{type(content).__name__} {shown(content)}."
        )
    return content


def _of_dataset(path: Path, content: dict[str, Any], dataset: str) -> dict[str, Any]:
    """One dataset's part of a file of several; `vtab/caltech101` is known as `caltech101` too."""
    known = {_plain(name.rsplit("/", maxsplit=1)[-1]): name for name in content}
    name = known.get(_plain(dataset))
    if name is None:
        raise PromptError(
            f"{str(path)!r} holds the datasets {listed(content, limit=20)}, and none is {dataset!r}."
            f"{did_you_mean(dataset, content)} Name its key as `dataset` under the manifest's `prompts`."
        )
    if not isinstance(content[name], dict):
        raise PromptError(f"{str(path)!r} has templates for {name!r}, not sentences; name them as `templates` instead.")
    found: dict[str, Any] = content[name]
    return found


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def fill_templates(class_names: Sequence[str], templates: Sequence[str]) -> Sentences:
    """Each class's sentences from templates such as `a photo of a {}.`; underscores in names read as spaces.

    Classes of one name have the same sentences, once.

    Raises:
        PromptError: If there is no template, or one has no `{}`.

    Example:
        >>> fill_templates(["yin_yang"], ["a photo of a {}."])
        {'yin_yang': ['a photo of a yin yang.']}
    """
    if not templates:
        raise PromptError("No template is given; one reads like 'a photo of a {}.'")
    for template in templates:
        if "{}" not in template:
            raise PromptError(f"Template {template!r} has no {{}} for the class name, as in 'a photo of a {{}}.'")
    return {name: [template.replace("{}", name.replace("_", " ")) for template in templates] for name in class_names}
