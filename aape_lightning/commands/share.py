"""`aape share`: a run as a folder of safetensors, JSON and a model card, and onto the Hugging Face Hub."""

import argparse
from pathlib import Path

from aape_lightning.commands.help_format import examples

__all__ = ["add_parser", "run_share"]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape share` to the command line."""
    parser = commands.add_parser(
        "share",
        help="write a run as safetensors, JSON and a model card; push it to the Hugging Face Hub",
        description="Write what a run has learned into a folder to hand on: model.safetensors, config.json and "
        "README.md, the model card. A card that is there already is kept, so that yours is. The folder is loaded with "
        'aape_lightning.load("DIR"), and whatever was pushed with AdaptedCLIP.from_pretrained("USER/NAME").',
        epilog=examples(
            "aape share runs/caltech101/aape.ckpt shared/caltech101 --results runs/caltech101/test-new/result.json",
            "aape share shared/caltech101 shared/caltech101 --push USER/aape-caltech101 --private",
        ),
    )
    parser.add_argument("checkpoint", metavar="CKPT", type=Path, help="a run's aape.ckpt, its folder, or a shared one")
    parser.add_argument("folder", metavar="DIR", type=Path, help="the folder to write, other than the run's")
    parser.add_argument("--results", nargs="+", type=Path, default=[], metavar="FILE", help="result.json, for the card")
    parser.add_argument("--licence", default="unknown", metavar="ID", help="the Hub's name of one, such as apache-2.0")
    parser.add_argument("--push", metavar="USER/NAME", help="upload into this repository of the Hub")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.set_defaults(run=run_share)


def run_share(options: argparse.Namespace) -> None:
    """Write the folder, push it where asked, and say how it is loaded.

    Raises:
        CheckpointError: If nothing can be read from the checkpoint.
        ResultError: If a result is malformed or of another backbone.
        ExportError: If the folder is a run's or something else's, or the Hub refuses or does not answer.
    """
    from aape_lightning.inference import read_saved
    from aape_lightning.inference.card import model_card
    from aape_lightning.inference.folder import CARD_FILE, write_folder
    from aape_lightning.inference.sharing import push_folder
    from aape_lightning.protocols.results import Result

    saved = read_saved(options.checkpoint)
    results = [Result.read(path) for path in options.results]
    card = model_card(saved, results=results, licence=options.licence, name=options.push)
    write_folder(saved, options.folder)
    place = options.folder / CARD_FILE
    kept = place.exists()
    if not kept:
        card.save(place)
    print(f"Written: {options.folder} ({saved.task} on {saved.backbone_spec['name']})")
    if kept:
        print(f"Note: {place} was there and is kept as it is; delete it for a new one.")
    names = (saved.backbone_spec["name"], saved.hyper_parameters.get("language_model") or "")
    for path in [name for name in names if name and Path(name).exists()]:
        print(f"Note: config.json names {path!r} by its path; others are asked for a copy of their own.")
    if options.push is None:
        print(f'Load it with: aape_lightning.load("{options.folder}")')
        return
    print(f"Pushed: {push_folder(options.folder, options.push, private=options.private or None)}")
    print(f'Load it with: AdaptedCLIP.from_pretrained("{options.push}")')
