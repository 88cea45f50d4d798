"""`aape prompts show`: one class's sentences, what is wrong with which, and the classes that sound most alike."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aape_lightning.commands.help_format import examples
from aape_lightning.commands.prompts.source import add_source, read_source
from aape_lightning.prompts.review.flags import Thresholds

if TYPE_CHECKING:
    from aape_lightning.backbones import Backbone
    from aape_lightning.prompts.bank import PromptBank

__all__ = ["add_show", "run_show"]

_NEAREST = 5  # classes


def add_show(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape prompts show` to the command line."""
    parser = subcommands.add_parser(
        "show",
        help="print a class's sentences, what is wrong with which, and the nearest classes",
        description="Print a class's sentences and what is wrong with which: near-duplicates, near-empty ones, those "
        "beyond a backbone's context. With a model, the classes that sound most alike as well.",
        epilog=examples(
            "aape prompts show --manifest caltech101 --root $DATA --class yin_yang",
            "aape prompts show --manifest caltech101 --root $DATA --class yin_yang --backbone ViT-B/16",
        ),
    )
    add_source(parser)
    parser.add_argument("--class", dest="class_name", required=True, metavar="CLASS", help="a class, by its name")
    model = parser.add_mutually_exclusive_group()
    model.add_argument(
        "--backbone", metavar="NAME", help="compare sentences by a backbone's text tower (ViT-B/16, a file)"
    )
    model.add_argument(
        "--text-model", metavar="NAME", help="compare sentences by a sentence-transformers model, by name or folder"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=run_show)


def run_show(options: argparse.Namespace) -> None:
    """Print one class's sentences.

    Raises:
        PromptError: If the sentences or the text model cannot be had, or no class has this name.
        BackboneNotFoundError: If the backbone cannot be had.
    """
    from aape_lightning.backbones import load_backbone
    from aape_lightning.commands.prompts.tables import print_class
    from aape_lightning.prompts.review.notes import note_sentences
    from aape_lightning.prompts.review.reviewer import curate_known

    title, sentences = read_source(options)
    name = _find_class(options.class_name, sentences)
    curated = curate_known(sentences)[0].sentences
    model = options.backbone or options.text_model
    backbone = load_backbone(options.backbone) if options.backbone else None
    context, token_count = (backbone.context_length, backbone.token_count) if backbone else (None, None)
    repeats: dict[int, tuple[int, float]] = {}
    nearest: dict[str, float] = {}
    if model and name in curated:
        bank = _bank_by_backbone(curated, backbone) if backbone else _bank_by_text_model(curated, model)
        repeats, nearest = _compare(bank, name)
    notes = note_sentences(sentences[name], repeats, token_count)
    if options.json:
        found = {"prompts": title, "class": name, "model": model, "context_length": context}
        found |= {"sentences": list(map(asdict, notes)), "nearest": nearest}
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        print_class(f"{name} ({title})", notes, nearest, context)
        print(_footer(options))


def _footer(options: argparse.Namespace) -> str:
    if options.text_model:
        return f"Compared by the text model {options.text_model}."
    if options.backbone:
        return (
            f"Compared by the text tower of {options.backbone}: its near-duplicates are what it hardly tells apart. "
            "--text-model NAME compares what sentences say."
        )
    return "Near-duplicates and the nearest classes need a model: --backbone NAME or --text-model NAME."


def _find_class(asked: str, names: Mapping[str, Any]) -> str:
    from aape_lightning.errors import PromptError, did_you_mean
    from aape_lightning.prompts.names import present_names

    found = present_names(names, [asked], {})
    if asked not in found:
        hint = did_you_mean(asked, names)
        raise PromptError(f"No class {asked!r} (--class) among the {len(names)} that have sentences.{hint}")
    return found[asked]


def _bank_by_backbone(sentences: Mapping[str, Sequence[str]], backbone: "Backbone") -> "PromptBank":
    import torch

    from aape_lightning.files import cache_dir
    from aape_lightning.prompts.bank import open_or_build_bank

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return open_or_build_bank(backbone, sentences, cache_dir() / "banks", device)


def _bank_by_text_model(sentences: Mapping[str, Sequence[str]], name: str) -> "PromptBank":
    import torch

    from aape_lightning.prompts.bank import PromptBank
    from aape_lightning.prompts.review.text_models import load_text_model

    texts = [text for group in sentences.values() for text in group]
    offsets = torch.tensor([0, *map(len, sentences.values())]).cumsum(0)
    return PromptBank(load_text_model(name).encode(texts), offsets, list(sentences), texts)


def _compare(bank: "PromptBank", name: str) -> tuple[dict[int, tuple[int, float]], dict[str, float]]:
    """The near-duplicates of a class, and the classes whose mean sentences are nearest to its own."""
    from aape_lightning.prompts.review.similarity import near_duplicates

    of_class = bank.select([name])
    repeats = near_duplicates(of_class.embeddings, of_class.offsets, Thresholds().near_duplicates)
    cosines = bank.means() @ of_class.means()[0]
    order = [k for k in cosines.argsort(descending=True).tolist() if bank.keys[k] != name]
    return repeats, {bank.keys[k]: float(cosines[k]) for k in order[:_NEAREST]}
