"""What is asked about a class: question templates, a set a dataset, and the questions that they make."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aape_lightning.errors import PromptError, did_you_mean, listed
from aape_lightning.formats.yaml_content import parse_yaml
from aape_lightning.prompts.generation.articles import article

__all__ = ["QuestionSet", "fill_question", "question_set"]

_SHIPPED = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}
_FALLBACK = "general"


@dataclass(frozen=True)
class QuestionSet:
    """Question templates.

    Attributes:
        name: What they are called: `cupl/food101`, a file, or `command line`.
        templates: Each with `{}` for the class name, and `{a}` where "a" or "an" is to stand.
    """

    name: str
    templates: tuple[str, ...]


def question_set(source: str, dataset: str) -> QuestionSet:
    """The question templates of a dataset.

    Args:
        source: `cupl`, or a file: YAML (a list of templates, or `{dataset: [templates]}` with `general` for any other
            dataset), or text with a template a line, where blank lines and lines that begin with `#` are skipped.
        dataset: A manifest's name.

    Raises:
        PromptError: If there is no such source, it is of another form, or it has no set for the dataset.
    """
    path = _SHIPPED.get(source, Path(source))
    if not path.is_file():
        raise PromptError(
            f"No questions {source!r}: neither a file nor one of {listed(_SHIPPED)} (--questions)."
            f"{did_you_mean(source, _SHIPPED)}"
        )
    try:
        is_yaml = path.suffix in (".yaml", ".yml")
        found = parse_yaml(path, PromptError) if is_yaml else _lines(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"The questions {str(path)!r} cannot be read: {error}.") from error
    name = source
    if isinstance(found, dict):
        chosen = dataset if dataset in found else _FALLBACK
        if chosen not in found:
            raise PromptError(
                f"{str(path)!r} has no questions for {dataset!r} and none for any dataset ({_FALLBACK!r}); it has "
                f"sets for {listed(map(str, found))}."
            )
        name, found = f"{source}/{chosen}", found[chosen]
    return QuestionSet(name, _checked(found, str(path)))


def fill_question(template: str, class_name: str) -> str:
    """A question about one class; underscores in its name read as spaces.

    Raises:
        PromptError: If the template has no `{}`.

    Example:
        >>> fill_question("Describe what {a} {} looks like", "egyptian_mau")
        'Describe what an egyptian mau looks like'
    """
    if "{}" not in template:
        raise PromptError(
            f"Question {template!r} has no {{}} for the class name, as in 'Describe what {{a}} {{}} looks like'."
        )
    spoken = " ".join(class_name.replace("_", " ").split())
    return template.replace("{a}", article(spoken)).replace("{}", spoken)


def _lines(text: str) -> list[str]:
    stripped = map(str.strip, text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def _checked(templates: object, where: str) -> tuple[str, ...]:
    if not isinstance(templates, Sequence) or isinstance(templates, str) or not templates:
        raise PromptError(f"{where!r} must hold a list of questions, not {templates!r:.60}.")
    if wrong := [template for template in templates if not isinstance(template, str) or "{}" not in template]:
        raise PromptError(
            f"{where!r}: {wrong[0]!r:.80} is no question with {{}} for the class name, as in "
            "'Describe what {a} {} looks like'."
        )
    return tuple(templates)
