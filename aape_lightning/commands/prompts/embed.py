"""`aape prompts embed`: sentences through a backbone's text tower, into a prompt bank."""

import argparse
import json
from pathlib import Path

from aape_lightning.commands.data.options import add_dataset
from aape_lightning.commands.help_format import examples

__all__ = ["add_embed", "run_embed"]


def add_embed(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape prompts embed` to the command line."""
    parser = subcommands.add_parser(
        "embed",
        help="embed a dataset's sentences into a prompt bank (fit does it by itself, into the cache)",
        description="Embed a dataset's sentences into a prompt bank, ahead of training; fit does it by itself. A build "
        "that is interrupted goes on when the command is run again.",
        epilog=examples(
            "aape prompts embed --manifest caltech101 --root $DATA --backbone ViT-B/16",
            "aape prompts embed --manifest caltech101 --root $DATA --prompts cupl --out caltech_b16.safetensors",
        ),
    )
    add_dataset(parser)
    parser.add_argument(
        "--prompts",
        metavar="P",
        help="a sentence source of the manifest (default: its first that is there), `templates`, or a JSON file",
    )
    parser.add_argument("--backbone", default="ViT-B/16", metavar="NAME", help="name or file of a backbone")
    parser.add_argument("--device", default="cpu", metavar="D", help="where the text tower runs: cpu, cuda, cuda:1")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the bank here, for --data.prompts (default: the cache alone)"
    )
    parser.add_argument("--truncate", action="store_true", help="keep sentences beyond the context, cut short")
    parser.add_argument(
        "--templates-for-missing", action="store_true", help="templates for a class that has no sentences"
    )
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")
    parser.set_defaults(run=run_embed)


def run_embed(options: argparse.Namespace) -> None:
    """Embed what `aape fit` would embed, all classes at once, and say where it is."""
    import torch

    from aape_lightning.backbones import load_backbone
    from aape_lightning.data.class_text import ClassText, curated_sentences
    from aape_lightning.data.classes import class_names_of
    from aape_lightning.data.manifests import load_manifest
    from aape_lightning.data.places import data_root
    from aape_lightning.files import cache_dir

    manifest, backbone = load_manifest(options.manifest), load_backbone(options.backbone)
    root, folder = data_root(manifest, options.root), cache_dir() / "banks"
    names = list(dict.fromkeys(class_names_of(manifest, root)))
    curation = curated_sentences(
        backbone, manifest, root, names, options.prompts,
        templates_for_missing=options.templates_for_missing, truncate=options.truncate,
    )  # fmt: skip
    bank = ClassText(backbone, folder, torch.device(options.device)).bank(curation.sentences, names)
    if options.out is not None:
        bank.to(torch.device("cpu")).save(options.out, backbone)
    place = str(options.out or folder)
    if options.json:
        counts = {"classes": len(names), "sentences": len(bank.texts), "near_empty": curation.near_empty}
        counts |= {"duplicates": curation.duplicates, "too_long": curation.too_long}
        print(json.dumps({"bank": place, "backbone": backbone.name} | counts, indent=2))
    else:
        print(f"{curation}.\nBank of {backbone.name}: {place}")
