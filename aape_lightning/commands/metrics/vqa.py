"""`aape metrics vqa`: answers against VQA's official annotations."""

import argparse
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

from aape_lightning.commands.help_format import examples
from aape_lightning.commands.metrics.options import add_out, add_predictions, check_files
from aape_lightning.commands.metrics.output import give
from aape_lightning.commands.metrics.predictions import chosen, read_predictions

__all__ = ["add_vqa", "run_vqa"]


class Annotation(NamedTuple):
    """What VQA's annotations say of a question.

    Attributes:
        answers: One a person.
        groups: What it is counted in beside all, as `question_groups` names it.
    """

    answers: list[str]
    groups: list[str]


def add_vqa(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape metrics vqa` to the command line."""
    parser = subcommands.add_parser(
        "vqa",
        help="VQA's soft accuracy and exact match of answers in its results format, by types",
        description="Score answers against people's: VQA's soft accuracy and exact match, by types. An empty answer is "
        "legal, and wrong unless people gave one. Accuracy needs ten answers to every question; without them there is "
        "exact match alone.",
        epilog=examples("aape metrics vqa --predictions answers.json --annotations v2_mscoco_val2014_annotations.json"),
    )
    add_predictions(parser, "question", '{"question_id", "answer"}')
    parser.add_argument(
        "--annotations", dest="known", type=Path, required=True, metavar="A", help="VQA's annotation JSON with answers"
    )
    add_out(parser)
    parser.set_defaults(run=run_vqa)


def run_vqa(options: argparse.Namespace) -> None:
    """Score, print a table, and write `--out`.

    Raises:
        DataError: If a file is malformed, or predictions and annotations do not belong together.
    """
    from aape_lightning.metrics import vqa_scores

    check_files(predictions=options.predictions, annotations=options.known)
    predictions = read_predictions(options.predictions, "question_id", "answer")
    annotations = _read_annotations(options.known)
    ids = chosen(options, predictions, annotations, "question")
    groups = [annotations[number].groups for number in ids]
    scores = vqa_scores(
        [predictions[number] for number in ids], [annotations[number].answers for number in ids], groups
    )
    found = {"scores": scores, "questions": len(ids), "questions_in_annotations": len(annotations)}
    of_all = f"{len(ids):,}" if len(ids) == len(annotations) else f"{len(ids):,} of {len(annotations):,}"
    give(options, f"Answers to {of_all} questions", *_table(scores, groups), found)


def _table(scores: dict[str, float], groups: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """One row for all questions and one for each group: how many, and the scores in percent."""
    from collections import Counter

    counts = Counter(name for names in groups for name in names)
    measures = [name for name in ("accuracy", "exact_match") if name in scores]
    rows = [["all", f"{len(groups):,}", *(f"{100 * scores[measure]:.2f}" for measure in measures)]]
    rows += [
        [name, f"{counts[name]:,}", *(f"{100 * scores[f'{name}/{measure}']:.2f}" for measure in measures)]
        for name in sorted(counts)
    ]
    return ["questions", "number", *(f"{measure} %" for measure in measures)], rows


def _read_annotations(path: Path) -> dict[int | str, Annotation]:
    from aape_lightning.formats.json_records import read_json
    from aape_lightning.metrics import question_groups

    file, found = read_json(path, inner=_answer_text), dict[int | str, Annotation]()
    for record in file.records("annotations"):
        if (number := record.identity("question_id")) in found:
            raise record.fault(f"the question_id {number!r} stands twice.")
        if not (answers := record.texts("answers")):
            raise record.fault(f"the question {number!r} has no answer.")
        groups = question_groups(record.optional_text("answer_type"), record.optional_text("question_type"))
        found[number] = Annotation(answers, groups)
    if not found:
        raise file.fault("there is no annotation.")
    return found


def _answer_text(fields: dict[str, Any]) -> dict[str, Any] | str:
    """An answer's text alone, each distinct text once: VQA v2 has six and a half million answers."""
    answer = fields.get("answer")
    return intern(answer) if isinstance(answer, str) and "question_id" not in fields else fields
