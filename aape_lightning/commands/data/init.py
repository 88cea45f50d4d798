"""`aape data init`: a manifest for one's own images, guessed and shown."""

import argparse
from pathlib import Path

from aape_lightning.commands.help_format import examples

__all__ = ["add_init", "run_init"]


def add_init(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape data init` to the command line."""
    init = subcommands.add_parser(
        "init",
        help="write a manifest for your own images: a folder, a CSV, or a split JSON like CoOp's",
        description="Guess the manifest of your own images, show its classes and its split, and write it. A manifest "
        "is a YAML file of a few lines, to be looked over.",
        epilog=examples(
            "aape data init ~/birds --prompts birds_sentences.json --out birds.yaml",
            "aape fit --config own --data.manifest birds.yaml",
        ),
    )
    init.add_argument("place", type=Path, metavar="DIR", help="folder with an image folder a class; or a CSV or JSON")
    init.add_argument("--out", type=Path, metavar="FILE", help="the manifest to write (default: print it)")
    init.add_argument("--name", help="the dataset's short name (default: the folder's)")
    init.add_argument("--prompts", type=Path, metavar="FILE", help="sentences about its classes (JSON)")
    init.add_argument("--force", action="store_true", help="overwrite an existing --out")
    init.set_defaults(run=run_init)


def run_init(options: argparse.Namespace) -> None:
    """Guess a manifest, show classes and split, and write it."""
    from aape_lightning.data.inspection.init import completed, described, manifest_text
    from aape_lightning.data.manifests.guess import guess_manifest
    from aape_lightning.data.places import data_root
    from aape_lightning.data.readers import read_split
    from aape_lightning.errors import ManifestError
    from aape_lightning.files import write_text

    if options.out is not None and options.out.exists() and not options.force:
        raise ManifestError(f"{str(options.out)!r} is there already. Name another --out, or overwrite it with --force.")
    guessed = guess_manifest(options.place)
    split = read_split(guessed, data_root(guessed, None))
    manifest = completed(guessed, split, name=options.name, prompts=options.prompts)
    text = manifest_text(manifest, split, options.place, options.out)
    if options.out is None:
        print(text, end="")
        return
    from rich.console import Console

    Console(markup=False, emoji=False).print(described(manifest, split))
    write_text(options.out, text)
    print(
        f"Wrote {options.out}. Look it over, then:\n"
        f"  aape data check --manifest {options.out}\n"
        f"  aape fit --config own --data.manifest {options.out}"
    )
