"""`result.json`: everything that one run of a protocol measured, and what it takes to make it again."""

import dataclasses
import math
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, FiniteFloat, TypeAdapter, ValidationError

from aape_lightning.errors import ResultError, listed, reason
from aape_lightning.files import write_json
from aape_lightning.protocols.faults import told_faults

__all__ = ["RESULT_FILE", "Result", "find_results", "read_bytes", "read_results", "unreadable"]

RESULT_FILE = "result.json"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run: one method, one seed, one dataset.

    Attributes:
        protocol: Name of the protocol, such as `base-to-new`; `test` for a test alone.
        recipe: Name of the recipe.
        dataset: Name of the manifest.
        method: Name of the method.
        seed: Seed of the draw and of the training.
        metrics: By name, at full precision: accuracies and recalls as fractions in [0, 1] (`base/accuracy`,
            `image_to_text/recall@1`), others on the scale of their definition.
        diagnostics: What the method did, by name: cosines, shares of attention. Not results.
        curves: Values by epoch, by name: `train/loss`, `train/reward`.
        seconds: Wall-clock time by phase: `fit`, `test`.
        backbone: The backbone's plain description: `name`, `fingerprint`, `embed_dim`, `logit_scale`.
        setting: What the protocol varied, by dotted key: `{"data.shots": 4}`; empty where it varies nothing.
        overrides: The keys that were laid over recipe and method on the command line, as they were typed.
        config: The resolved configuration of the run.
        config_hash: Hash of what determines the result; a run whose hash exists is not run again.
        versions: Versions of Python and of the libraries that computed it, and the device.
        created: Time of writing, ISO 8601, UTC.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    protocol: str
    recipe: str
    dataset: str
    method: str
    seed: int
    metrics: dict[str, FiniteFloat]
    config_hash: str
    backbone: dict[str, Any] = field(default_factory=dict)
    diagnostics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    setting: dict[str, str | int | float | bool | None] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    created: str = ""

    def write(self, folder: Path) -> Path:
        """Write `result.json` into a folder, whole or not at all.

        Raises:
            ResultError: If a metric is NaN or infinite, which no table can show.
        """
        if diverged := [name for name, value in self.metrics.items() if not math.isfinite(value)]:
            raise ResultError(
                f"The test came to no number in {listed(diverged)}: the training has diverged. Train with a lower "
                "learning rate (--model.lr), or with --trainer.precision 32-true where it was half precision."
            )
        path = folder / RESULT_FILE
        write_json(path, dataclasses.asdict(self))
        return path

    @classmethod
    def read(cls, path: Path) -> "Result":
        """Read one `result.json`.

        Raises:
            ResultError: If the file cannot be read or is not JSON, a field is missing, unknown or of another type, or a
                metric is NaN or infinite.
            FileNotFoundError: If there is none.
        """
        try:
            return _RESULT.validate_json(read_bytes(path), strict=True)
        except ValidationError as error:
            raise ResultError(
                f"{str(path)!r} is not a result file ({told_faults(error)}). Remove it and run the protocol again."
            ) from error


_RESULT: TypeAdapter[Result] = TypeAdapter(Result)  # which takes a millisecond to make


def read_bytes(path: Path) -> bytes:
    """What a file of results holds.

    Raises:
        ResultError: If it is a folder, or may not or cannot be read.
        FileNotFoundError: If there is none.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ResultError(
            f"{str(path)!r} cannot be read ({reason(error)}). Make it readable, or remove it and run it all again."
        ) from error


def unreadable(path: Path, what: str, error: ValidationError) -> ResultError:
    """The error for a file beside a result that does not hold what it should.

    Args:
        path: The file.
        what: What it should hold.
        error: What is wrong with it.
    """
    return ResultError(
        f"{str(path)!r} is not a file of {what} ({told_faults(error)}). Remove it and the {RESULT_FILE} beside it, and "
        "run the protocol again."
    )


def find_results(folder: Path) -> list[tuple[Path, Result]]:
    """Read every result under a folder, ordered by dataset, method and seed, each with the folder that it lies in.

    Raises:
        ResultError: If there is none, or one is malformed.
    """
    found = [(path.parent, Result.read(path)) for path in sorted(folder.rglob(RESULT_FILE))]
    if not found:
        raise ResultError(
            f"No {RESULT_FILE} under {str(folder)!r}. Make some with: "
            f"aape protocol base-to-new --recipe RECIPE --method aape --seeds 1 2 3 --out {shlex.quote(str(folder))}"
        )
    return sorted(found, key=lambda item: (item[1].dataset, item[1].method, item[1].seed))


def read_results(folder: Path) -> list[Result]:
    """Read every result under a folder, ordered by dataset, method and seed.

    Raises:
        ResultError: If there is none, or one is malformed.
    """
    return [result for _, result in find_results(folder)]
