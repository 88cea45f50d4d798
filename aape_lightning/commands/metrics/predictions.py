"""Prediction files in COCO's and VQA's form, and what they must have in common with what they are scored against."""

import argparse
from collections.abc import Collection
from pathlib import Path

from aape_lightning.errors import DataError, listed, shown
from aape_lightning.formats.json_content import parse_json
from aape_lightning.formats.json_records import Record

__all__ = ["chosen", "read_predictions"]


def read_predictions(path: Path, id_key: str, text_key: str) -> dict[int | str, str]:
    """What a prediction file says of each id, in its order; an empty text is legal.

    Args:
        path: A JSON list of objects.
        id_key: The key of ids, such as `image_id`.
        text_key: The key of texts, such as `caption`.

    Raises:
        DataError: If the file is of another form, empty, or an id stands twice.
    """
    content = parse_json(path)
    if not isinstance(content, list) or not content:
        wanted = f'a list of predictions, [{{"{id_key}": ..., "{text_key}": ...}}, ...]'
        raise DataError(f"{str(path)!r} must hold {wanted}, not {shown(content)}.")
    found: dict[int | str, str] = {}
    for index, fields in enumerate(content):
        if not isinstance(fields, dict):
            raise DataError(f"{str(path)!r}, [{index}]: a prediction must be an object, not {shown(fields)}.")
        record = Record(fields, path, f"[{index}]")
        if (number := record.identity(id_key)) in found:
            raise record.fault(f"the {id_key} {number!r} stands twice.")
        found[number] = record.text(text_key)
    return found


def chosen(
    options: argparse.Namespace, predictions: Collection[int | str], known: Collection[int | str], thing: str
) -> list[int | str]:
    """The ids to be scored, in the order of the file that they are scored against.

    Args:
        options: The command line, for the files' names and `--partial`.
        predictions: Ids that have a prediction.
        known: Ids that have references.
        thing: What the ids identify.

    Raises:
        DataError: If a prediction is for no known id, or, without `--partial`, an id has none.
    """
    if unknown := [number for number in predictions if number not in known]:
        other_kind = set(map(str, unknown)) & set(map(str, known))
        hint = "They are text in one file and numbers in the other." if other_kind else "Is it another part?"
        raise DataError(
            f"{str(options.predictions)!r}: {len(unknown)} of {len(predictions)} predictions are for {thing}s that are "
            f"not in {str(options.known)!r}: {listed(map(str, unknown))}. {hint}"
        )
    missing = [number for number in known if number not in predictions]
    if missing and not options.partial:
        raise DataError(
            f"{str(options.predictions)!r} has no prediction for {len(missing)} of the {len(known)} {thing}s in "
            f"{str(options.known)!r}: {listed(map(str, missing))}. Score the other {len(predictions)} alone with "
            "--partial; such scores are not comparable with those of all."
        )
    return [number for number in known if number in predictions]
