"""JSON files of strangers, read whole or refused with one typed error that says why."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aape_lightning.errors import AAPEError, DataError, reason

__all__ = ["parse_json"]

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(
    path: Path, error: type[AAPEError] = DataError, inner: Callable[[dict[str, Any]], Any] | None = None
) -> Any:  # noqa: ANN401 - JSON has no type of its own
    """What a JSON file holds. It is UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Python's own parser takes more than JSON and drops what stands twice; a file of either kind is refused here, as is
    one with half of a surrogate pair, a text that no file can be called by and no hash be made of.

    Args:
        path: The file.
        error: What is raised where the file cannot be read.
        inner: What becomes of each object of the file as soon as it is read, innermost first; for files whose objects
            are so many that they should not all be kept.

    Raises:
        AAPEError: The given `error`, if the file is missing, is no Unicode text or not JSON, is nested too deeply, or
            an object has a key twice.
    """

    def unique(pairs: list[tuple[str, Any]]) -> Any:  # noqa: ANN401
        fields = dict(pairs)
        if len(fields) < len(pairs):
            raise ValueError(f"an object has the key {_twice(pairs)!r} twice")
        return inner(fields) if inner else fields

    try:
        raw = path.read_bytes()
        text = raw.decode(json.detect_encoding(raw))
        content = json.loads(text, object_pairs_hook=unique, parse_constant=_no_number)
        if _SURROGATE.search(text):
            json.dumps(content, ensure_ascii=False).encode()
    except RecursionError as fault:
        raise error(f"{str(path)!r} is not JSON that can be read: it is nested too deeply.") from fault
    except UnicodeEncodeError as fault:
        raise error(f"{str(path)!r} is not JSON that can be read: a text holds half of a surrogate pair.") from fault
    except ValueError as fault:
        raise error(f"{str(path)!r} is not JSON: {fault}.") from fault
    except OSError as fault:
        raise error(f"{str(path)!r} cannot be read: {reason(fault)}.") from fault
    return content


def _twice(pairs: list[tuple[str, Any]]) -> str:
    return Counter(key for key, _ in pairs).most_common(1)[0][0]


def _no_number(name: str) -> float:
    raise ValueError(f"it holds {name}, which is no number of JSON")
