"""`aape answer`: answers questions about images."""

import argparse
from typing import TYPE_CHECKING

from aape_lightning.commands.help_format import examples
from aape_lightning.commands.on_images import DAMAGED, Work, add_decoding, add_options, decoding_of

if TYPE_CHECKING:
    from rich.table import Table

    from aape_lightning.inference.texts import Answers

__all__ = ["add_parser", "run_answer"]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape answer` to the command line."""
    parser = commands.add_parser(
        "answer",
        help="answer questions about images",
        description="Answer questions about images by a run of question answering: by its language model, or among the "
        f"answers that it knows. Each question is asked about each image. {DAMAGED}",
        epilog=examples(
            "aape answer runs/shapes_vqa/aape.ckpt photo.jpg --question 'what colour is the circle?'",
            "aape answer runs/shapes_vqa/aape.ckpt photos --question 'how many shapes are there?' --out answers.csv",
        ),
    )
    add_options(parser, out="write them too: .csv or .json")
    parser.add_argument("--question", nargs="+", required=True, metavar="Q", help="a question, in quotes, or several")
    add_decoding(parser)
    parser.set_defaults(run=run_answer)


def run_answer(options: argparse.Namespace) -> None:
    """Answer, print, and write where asked.

    Raises:
        AAPEError: As `AdaptedCLIP.answer`.
    """
    decoding = decoding_of(options)
    work = Work.begin(options, (".csv", ".json"))
    with work.timed():
        answers = work.model.answer(work.images, options.question, decoding=decoding, skip=work.skip)
    work.give(_table(answers), answers.table(), {"answers": answers.as_dicts()})


def _table(answers: "Answers") -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table("Image", "Question", "Answer", box=SIMPLE_HEAD, show_edge=False)
    for entry in answers:
        table.add_row(Text(entry.image, overflow="fold"), Text(entry.question), Text(entry.answer))
    return table
