"""YAML files of strangers, read whole or refused with one typed error that says why."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from aape_lightning.errors import AAPEError

__all__ = ["parse_yaml"]

_LARGEST = 2**21  # bytes; a list of ImageNet's 21,841 classes is a quarter of it
_DEEPEST = 40  # values inside one another; PyYAML takes time with the square of it
_MOST_NODES = 200_000  # with every alias counted as what it stands for


class _Loader(yaml.SafeLoader):
    """Plain values only, each key once, and no more of them than can be read in seconds."""

    depth, count = 0, 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's own
        self.depth += 1
        self.count += 1
        if self.depth > _DEEPEST:
            raise yaml.YAMLError(f"it is nested too deeply\n{self.peek_event().start_mark}")
        if self.count > _MOST_NODES:
            raise yaml.YAMLError(f"it holds more than {_MOST_NODES} values")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        merged = any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value)
        found = super().construct_mapping(node, deep=deep)
        if len(found) < len(node.value) and not merged:
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice", node.start_mark)
        return found


def parse_yaml(path: Path, error: type[AAPEError], what: str = "") -> Any:  # noqa: ANN401 - YAML has no type of its own
    """What a YAML file holds: plain values, nothing that a tag could make.

    Args:
        path: The file.
        error: What is raised where the file cannot be read.
        what: What the file is, before its name in messages.

    Raises:
        AAPEError: The given `error`, if the file cannot be opened, is larger than 2 MiB, is not UTF-8 or not YAML, is
            nested deeper than 40, has a key twice, or holds more than 200,000 values, those of its aliases counted.
    """
    named = f"{what} {str(path)!r}".lstrip()
    try:
        if (size := path.stat().st_size) > _LARGEST:
            raise error(f"{named} has {size} bytes, and no more than {_LARGEST} are read.")
        return _load(path.read_bytes().decode("utf-8-sig"))  # read_text takes half a byte-order mark for nothing
    except OSError as fault:
        raise error(f"{named} cannot be read: {fault.strerror}.") from fault
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, OverflowError) as fault:
        # Beside its own errors PyYAML lets through what Python says of a date, a number or a tag that is none.
        raise error(f"{named} is not YAML: {fault}.") from fault


def _load(text: str) -> Any:  # noqa: ANN401
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > _MOST_NODES:
            raise yaml.YAMLError(f"its aliases stand for more than {_MOST_NODES} values")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _size(node: yaml.Node, known: dict[int, int | None]) -> int:
    """How many values a node holds, with every alias counted as what it stands for."""
    if id(node) in known:
        size = known[id(node)]
        if size is None:
            raise yaml.YAMLError(f"a value holds itself\n{node.start_mark}")
        return size
    known[id(node)] = None
    if isinstance(node, yaml.ScalarNode):
        node.value.encode()  # half of a surrogate pair is no text
        if "\0" in node.value:
            raise yaml.YAMLError(f"a text holds a zero byte\n{node.start_mark}")
        size = 1
    elif isinstance(node, yaml.MappingNode):
        size = 1 + sum(_size(part, known) for pair in node.value for part in pair)
    else:
        size = 1 + sum(_size(part, known) for part in node.value)
    known[id(node)] = size
    return size
