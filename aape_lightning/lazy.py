"""Names of a package that are imported on first use, so that light commands do not wait for heavy libraries."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's `__getattr__` (PEP 562).

    Args:
        package: The package's `__name__`.
        homes: For each public name the module of the package that defines it.
    """

    def get(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
        if name in homes:
            return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get
