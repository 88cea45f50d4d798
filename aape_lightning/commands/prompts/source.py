"""The sentences that `aape prompts` works on: those of a dataset's manifest, or of a file from anywhere."""

import argparse
from pathlib import Path

__all__ = ["add_source", "read_source"]


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which sentences are meant."""
    parser.add_argument(
        "--manifest", metavar="M", help="short name or path of a manifest; without one, the file's keys are the classes"
    )
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="the data root, CoOp's $DATA (default: the manifest's own, else .)"
    )
    parser.add_argument(
        "--prompts",
        metavar="P",
        help="a sentence source of the manifest (default: its first that is there), or a JSON file",
    )


def read_source(options: argparse.Namespace) -> tuple[str, dict[str, list[str]]]:
    """What the sentences are called, and the sentences by class.

    Raises:
        PromptError: If the source is unknown or missing, or does not know a class of the dataset.
    """
    from aape_lightning.data.classes import class_names_of
    from aape_lightning.data.manifests import load_manifest
    from aape_lightning.data.places import data_root
    from aape_lightning.data.sentences import chosen_source, sentences_of
    from aape_lightning.errors import PromptError
    from aape_lightning.prompts.sources import read_sentences

    if options.manifest is not None:
        manifest = load_manifest(options.manifest)
        root = data_root(manifest, options.root)
        names = list(dict.fromkeys(class_names_of(manifest, root)))
        title = f"{manifest.title}, {chosen_source(manifest, root, options.prompts)}"
        return title, sentences_of(manifest, root, names, options.prompts)
    if options.prompts is None:
        raise PromptError("Name the sentences: --manifest NAME (with --prompts SOURCE), or --prompts FILE.json alone.")
    return options.prompts, read_sentences(Path(options.prompts))
