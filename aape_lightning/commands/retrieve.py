"""`aape retrieve`: find images by a text, and captions or images by an image."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aape_lightning.commands.help_format import examples
from aape_lightning.data.splits import PARTS

if TYPE_CHECKING:
    import torch

    from aape_lightning.search import ImageCollection, QueryEncoder, SearchResult
    from aape_lightning.search.result import Find

__all__ = ["add_parser", "run_retrieve"]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape retrieve` to the command line."""
    parser = commands.add_parser(
        "retrieve",
        help="find images by a text, and captions or images by an image",
        description="Find images by a text, and captions or images by an image. Images are searched and found by "
        "their embedding, or by AAPE where a checkpoint is given.",
        epilog=examples(
            'aape retrieve --query "a dog on a beach" --manifest flickr8k --root $DATA --ckpt runs/flickr8k/aape.ckpt '
            "--out dogs.png",
            "aape retrieve --image photo.jpg --images ~/photos --backbone ViT-B/32",
        ),
    )
    query = parser.add_mutually_exclusive_group(required=True)
    query.add_argument("--query", metavar="TEXT", help="a text that images are to fit")
    query.add_argument("--image", metavar="PATH", help="an image that searches: a file, or a path in the dataset")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--manifest", metavar="M", help="search a dataset: short name or path of a manifest of any kind")
    place.add_argument("--images", metavar="DIR", type=Path, help="search all images in a folder and below")
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="the data root, CoOp's $DATA (default: the manifest's own, else .)"
    )
    parser.add_argument("--part", choices=PARTS, help="the dataset's part to search (default: test)")
    parser.add_argument(
        "--ckpt",
        type=Path,
        metavar="CKPT",
        help="a retrieval run's aape.ckpt, its folder, or a folder that was shared (default: none, zero-shot CLIP)",
    )
    parser.add_argument(
        "--backbone", metavar="NAME", help="name or file of a backbone (default: the checkpoint's own, else ViT-L/14)"
    )
    parser.add_argument(
        "--find",
        choices=["images", "captions"],
        help="what an image finds (default: captions where the manifest has some)",
    )
    parser.add_argument("--top", type=int, default=5, metavar="N", help="how many are found")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write them too: .png (a sheet), .html (a page) or .json"
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else on standard output")
    parser.set_defaults(run=run_retrieve)


def run_retrieve(options: argparse.Namespace) -> None:
    """Search, print what was found, and write it where asked.

    Raises:
        DataError: If the options do not go together, or there is nothing to search in.
        ImageError: If an image is missing or cannot be decoded.
        ManifestError: If the manifest is unknown, or files of the dataset are missing.
        CheckpointError: If the checkpoint is not of a retrieval task.
        BackboneNotFoundError: If the backbone cannot be had.
        BackboneMismatchError: If the checkpoint was trained on another backbone than the one asked for.
    """
    import json

    from rich.console import Console

    from aape_lightning.messages import is_quiet
    from aape_lightning.search import QueryEncoder, images_in, images_of, write_result

    _check(options)
    if options.images is not None:
        collection = images_in(options.images)
    else:
        collection = images_of(options.manifest, options.root, options.part or "test")
    result = _search(options, collection, QueryEncoder.load(options.ckpt, options.backbone, _device()))
    if options.json:
        print(json.dumps(result.as_dict(), indent=2, ensure_ascii=False))
    else:
        Console(markup=False, emoji=False).print(result.table())
    if options.out is not None:
        write_result(options.out, result, collection.open)
        if not is_quiet():
            print(f"Written: {options.out}", file=sys.stderr if options.json else sys.stdout)


def _check(options: argparse.Namespace) -> None:
    """Refuse what makes no sense before any image is read."""
    from aape_lightning.errors import DataError
    from aape_lightning.search.index import check_top
    from aape_lightning.search.write import check_suffix

    check_top(options.top)
    if options.query is not None and not options.query.strip():
        raise DataError("The text to search with (--query) is empty.")
    if options.query is not None and options.find == "captions":
        raise DataError("A text finds images; captions are found by an image: --image PATH --find captions.")
    if options.images is not None and (options.part or options.root):
        raise DataError("--part and --root belong to a --manifest; --images DIR searches the whole folder.")
    if options.out is not None:
        check_suffix(options.out)


def _search(options: argparse.Namespace, collection: "ImageCollection", encoder: "QueryEncoder") -> "SearchResult":
    from aape_lightning.search import SearchIndex, SearchResult

    by_text = options.query is not None
    find: Find = options.find or ("captions" if collection.says == "captions" and not by_text else "images")
    picture = None if by_text else collection.find(options.image)
    if by_text:
        _tell_if_cut(options.query, encoder)
    index = (SearchIndex.of_captions if find == "captions" else SearchIndex.of_images)(encoder, collection)
    query = encoder.text(options.query) if picture is None else encoder.image(picture)
    hits = index.search(query, options.top)
    asked, says = options.query or options.image, collection.says
    return SearchResult(asked, picture, find, says, collection.title, str(encoder), hits)


def _tell_if_cut(text: str, encoder: "QueryEncoder") -> None:
    tokens, context = encoder.backbone.token_count(text), encoder.backbone.context_length
    if tokens > context:
        print(
            f"aape: warning: The text has {tokens} tokens, and {encoder.backbone.name} takes {context}: it is cut.",
            file=sys.stderr,
        )


def _device() -> "torch.device":
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
