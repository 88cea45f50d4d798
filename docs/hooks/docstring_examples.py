"""Lets griffe see the `Example:` of a docstring as code: it knows the section by its plural alone."""

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^(\s*)Example:$", re.MULTILINE)


class DocstringExamples(griffe.Extension):
    """Names the section as griffe's parser expects it."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:  # noqa: ANN401 - griffe passes what it has
        """Rename the section of an object's docstring."""
        if obj.docstring is not None:
            obj.docstring.value = _EXAMPLE.sub(r"\1Examples:", obj.docstring.value)
