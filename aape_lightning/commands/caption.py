"""`aape caption`: describes images by a captioning run."""

import argparse
from typing import TYPE_CHECKING

from aape_lightning.commands.help_format import examples
from aape_lightning.commands.on_images import DAMAGED, Work, add_decoding, add_options, decoding_of

if TYPE_CHECKING:
    from rich.table import Table

    from aape_lightning.inference.texts import Captions

__all__ = ["add_parser", "run_caption"]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape caption` to the command line."""
    parser = commands.add_parser(
        "caption",
        help="describe images",
        description=f"Describe images by the language model of a captioning run. {DAMAGED}",
        epilog=examples(
            "aape caption runs/shapes_captioning/aape.ckpt photos",
            "aape caption runs/shapes_captioning/aape.ckpt photos --decoding method=beam beams=5 --out captions.json",
        ),
    )
    add_options(parser, out="write them too: .csv or .json")
    parser.add_argument("--prompt", metavar="P", help="what stands between image and caption (default: as in training)")
    add_decoding(parser)
    parser.set_defaults(run=run_caption)


def run_caption(options: argparse.Namespace) -> None:
    """Caption, print, and write where asked.

    Raises:
        AAPEError: As `AdaptedCLIP.caption`.
    """
    decoding = decoding_of(options)
    work = Work.begin(options, (".csv", ".json"))
    with work.timed():
        captions = work.model.caption(work.images, prompt=options.prompt, decoding=decoding, skip=work.skip)
    work.give(_table(captions), captions.table(), {"images": captions.as_dicts()})


def _table(captions: "Captions") -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table("Image", "Caption", box=SIMPLE_HEAD, show_edge=False)
    for entry in captions:
        table.add_row(Text(entry.image, overflow="fold"), Text(entry.caption))
    return table
