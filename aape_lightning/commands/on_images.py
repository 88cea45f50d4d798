"""What `aape classify`, `embed`, `caption` and `answer` share: a checkpoint at work on images that a user names."""

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from aape_lightning.errors import ImageError
    from aape_lightning.inference import AdaptedCLIP
    from aape_lightning.inference.images import NamedImage

__all__ = ["DAMAGED", "Work", "add_decoding", "add_options", "decoding_of"]

DAMAGED = (
    "An image that cannot be decoded is named on standard error and left out; the others are done, and the exit code "
    "is then 1."
)


def add_options(parser: argparse.ArgumentParser, *, out: str, needs_out: bool = False) -> None:
    """Add the arguments that all of these commands have.

    Args:
        parser: The command's parser.
        out: What `--out` writes.
        needs_out: Whether it must be given.
    """
    parser.add_argument(
        "ckpt", metavar="CKPT", help="a run's aape.ckpt or last.ckpt, its folder, or a folder that was shared"
    )
    parser.add_argument(
        "images", metavar="IMAGES", nargs="+", help="image files, folders (all images in them), or patterns"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", required=needs_out, help=out)
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else on standard output")
    parser.add_argument("--backbone", metavar="B", help="name or file of the backbone (default: the checkpoint's own)")
    parser.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1 (default: a GPU where there is one)")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="images at once")


def add_decoding(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of commands that write text."""
    parser.add_argument(
        "--decoding",
        nargs="+",
        metavar="NAME=VALUE",
        help="how text is written, such as method=beam beams=5 (default: as the run did)",
    )
    parser.add_argument(
        "--language-model", metavar="L", help="name or folder of the language model (default: the checkpoint's own)"
    )


def decoding_of(options: argparse.Namespace) -> dict[str, Any]:
    """The values of `--decoding` by name.

    Raises:
        RecipeError: If one is not of the form NAME=VALUE.
    """
    import yaml

    from aape_lightning.errors import RecipeError

    chosen = {}
    for word in options.decoding or ():
        name, equals, value = word.partition("=")
        if not equals:
            raise RecipeError(f"{word!r} (--decoding) must read NAME=VALUE, such as method=beam.")
        chosen[name] = yaml.safe_load(value)
    return chosen


@dataclass
class Work:
    """A checkpoint at work on images.

    Attributes:
        options: The command line.
        model: What works.
        images: The images that were named.
        load_seconds: How long it took to load.
        seconds: How long the work took.
        skipped: Why an image was left out, by its path.
    """

    options: argparse.Namespace
    model: "AdaptedCLIP"
    images: "list[NamedImage]"
    load_seconds: float
    seconds: float = 0.0
    skipped: dict[str, str] = field(default_factory=dict)

    @classmethod
    def begin(cls, options: argparse.Namespace, suffixes: Sequence[str]) -> "Work":
        """Find the images, and load the checkpoint.

        Args:
            options: The command line.
            suffixes: How the name of `--out` may end.

        Raises:
            DataError: If `--out` ends otherwise, or there are no images.
            ImageError: If an image is missing.
            StorageError: If nothing can be written where `--out` is.
            CheckpointError: If nothing can be read from the checkpoint.
        """
        from aape_lightning.errors import DataError
        from aape_lightning.files import check_writable
        from aape_lightning.inference import load
        from aape_lightning.inference.images import named_images
        from aape_lightning.messages import quiet_known_messages

        if options.out is not None and options.out.suffix.lower() not in suffixes:
            raise DataError(
                f"{str(options.out)!r} (--out) must end in {' or '.join(suffixes)}, which say what is written."
            )
        quiet_known_messages()
        images = named_images(options.images)
        if options.out is not None:
            check_writable(options.out.parent)
        start = time.perf_counter()
        model = load(
            options.ckpt,
            backbone=options.backbone,
            language_model=getattr(options, "language_model", None),
            device=options.device,
            batch_size=options.batch_size,
        )
        return cls(options, model, images, time.perf_counter() - start)

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Note how long the block takes, as `seconds`."""
        start = time.perf_counter()
        yield
        self.seconds = time.perf_counter() - start

    def skip(self, name: str, error: "ImageError") -> None:
        """Name an image that is left out."""
        self.skipped[name] = str(error)
        print(f"aape: skipped: {error}", file=sys.stderr)

    @property
    def done(self) -> list[str]:
        """The paths of the images that were not left out."""
        return [image.name for image in self.images if image.name not in self.skipped]

    def check(self) -> None:
        """Refuse to go on with nothing.

        Raises:
            ImageError: If no image can be read.
        """
        from aape_lightning.errors import ImageError

        if not self.done:
            raise ImageError(f"None of the {len(self.images)} images can be read.")

    def runtime(self) -> dict[str, float]:
        """Seconds, and images a second."""
        count = len(self.done)
        return {
            "load_seconds": self.load_seconds,
            "seconds": self.seconds,
            "images_per_second": count / self.seconds if self.seconds else 0.0,
        }

    def summary(self) -> str:
        """What worked, where and how fast."""
        count = len(self.done)
        return (
            f"{self.model.source} on {self.model.backbone.name} ({self.model.device}); loaded in "
            f"{self.load_seconds:.1f} s, {count} image{'s' * (count != 1)} in {self.seconds:.2f} s "
            f"({self.runtime()['images_per_second']:.1f} images/s)"
        )

    def as_dict(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Plain values for JSON: what was found, by what, how fast, and what was left out."""
        model = self.model
        about = {"checkpoint": model.source, "task": type(model.task).__name__, "backbone": model.backbone.name}
        skipped = [{"image": name, "reason": reason} for name, reason in self.skipped.items()]
        return {**about, "device": str(model.device), **found, "skipped": skipped, "runtime": self.runtime()}

    def give(self, table: "Table", rows: "pd.DataFrame", found: Mapping[str, Any]) -> None:
        """Print what was found, and write it where asked; then tell of what was left out.

        Args:
            table: For the terminal.
            rows: For a CSV file.
            found: For JSON.

        Raises:
            ImageError: If images were left out, when all else is done.
        """
        from aape_lightning.files import atomic_path, write_json

        self.check()
        self.show(table, found)
        if (out := self.options.out) is not None:
            if out.suffix.lower() == ".json":
                write_json(out, self.as_dict(found))
            else:
                with atomic_path(out) as temporary:
                    rows.assign(seconds_per_image=self.seconds / len(self.done)).to_csv(temporary, index=False)
            self.say(f"Written: {out}")
        self.end()

    def show(self, table: "Table", found: Mapping[str, Any]) -> None:
        """Print a table, or JSON where asked."""
        import json

        from rich.console import Console

        if self.options.json:
            print(json.dumps(self.as_dict(found), indent=2, ensure_ascii=False))
        else:
            Console(markup=False, emoji=False).print(table)
            self.say(self.summary())

    def say(self, line: str) -> None:
        """Print a note: on standard error where standard output is JSON, and nowhere where notes are hidden."""
        from aape_lightning.messages import is_quiet

        if not is_quiet():
            print(line, file=sys.stderr if self.options.json else sys.stdout)

    def end(self) -> None:
        """End with an error where images were left out.

        Raises:
            ImageError: If there are any.
        """
        from aape_lightning.errors import ImageError

        if self.skipped:
            raise ImageError(f"{len(self.skipped)} of {len(self.images)} images cannot be read; the others are done.")
