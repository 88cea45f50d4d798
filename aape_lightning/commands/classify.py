"""`aape classify`: what is on these images, among any list of classes."""

import argparse
from typing import TYPE_CHECKING

from aape_lightning.commands.help_format import examples
from aape_lightning.commands.on_images import DAMAGED, Work, add_options

if TYPE_CHECKING:
    from rich.table import Table

    from aape_lightning.inference.classification import Classification

__all__ = ["add_parser", "run_classify"]

_BAR = 10  # columns of a bar for 100 %


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape classify` to the command line."""
    parser = commands.add_parser(
        "classify",
        help="say what is on images, among any list of classes",
        description="Say what is on images: the likeliest classes with their probabilities. The classes are those that "
        "the run was trained on, or any others that are named; new names go by the run's templates, or by sentences. "
        f"CKPT may be zero-shot, with --backbone. {DAMAGED}",
        epilog=examples(
            "aape classify runs/birds/aape.ckpt photo.jpg",
            "aape classify runs/birds/aape.ckpt photos --top 3 --out birds.csv",
            "aape classify runs/birds/aape.ckpt photos --classes wren robin 'snowy owl'",
            "aape classify runs/birds/aape.ckpt photos --classes names.txt --json",
            "aape classify zero-shot photo.jpg --backbone ViT-B/16 --classes cat dog",
        ),
    )
    add_options(parser, out="write it too: .csv (a row an image) or .json")
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="C",
        help="names, .txt files with a name a line, or .json files {class: [sentence, ...]} (default: the classes "
        "trained on)",
    )
    parser.add_argument(
        "--templates",
        nargs="+",
        metavar="T",
        help="what classes are called by: 'a photo of a {}.', a .txt file, or a set such as imagenet-7 (default: as in "
        "training)",
    )
    parser.add_argument("--top", type=int, default=5, metavar="K", help="classes an image; all where there are fewer")
    parser.set_defaults(run=run_classify)


def run_classify(options: argparse.Namespace) -> None:
    """Classify, print, and write where asked.

    Raises:
        AAPEError: As `AdaptedCLIP.classify`.
    """
    import sys
    import warnings

    from aape_lightning.commands.class_lists import chosen_classes, chosen_templates
    from aape_lightning.inference.classes import ClassTextWarning

    names, sentences = chosen_classes(options.classes)
    templates = chosen_templates(options.templates)
    work = Work.begin(options, (".csv", ".json"))
    with work.timed(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ClassTextWarning)  # told below
        result = work.model.classify(
            work.images, names, templates=templates, sentences=sentences, top=options.top, skip=work.skip
        )
    if result.note:
        print(f"aape: warning: {result.note}", file=sys.stderr)
    found = {"classes": len(result.class_names), "note": result.note, "images": result.as_dicts()}
    work.give(_table(result), result.table(), found)


def _table(result: "Classification") -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    count, classes = len(result), len(result.class_names)
    title = f"{count} image{'s' * (count != 1)} among {classes} class{'es' * (classes != 1)}"
    table = Table(title=title, title_style="bold", title_justify="left", box=SIMPLE_HEAD, show_edge=False)
    table.add_column("Image", overflow="fold")
    table.add_column("Class", overflow="fold")
    table.add_column("Probability", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, width=_BAR)
    for prediction in result:
        for rank, (name, value) in enumerate(prediction.top):
            image = "" if rank else prediction.image
            style = "" if rank else "bold"
            table.add_row(Text(image), Text(name, style), f"{value:.1%}", "\u2588" * round(value * _BAR))
        if result.shown > 1:
            table.add_section()
    return table
