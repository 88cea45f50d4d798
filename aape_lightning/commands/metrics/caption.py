"""`aape metrics caption`: captions against references in COCO's files."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from aape_lightning.commands.help_format import examples
from aape_lightning.commands.metrics.options import add_out, add_predictions, check_files, naming
from aape_lightning.commands.metrics.output import give
from aape_lightning.commands.metrics.predictions import chosen, read_predictions

if TYPE_CHECKING:
    from aape_lightning.prompts.caption_files import AnnotatedImage

__all__ = ["add_caption", "run_caption"]


def add_caption(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape metrics caption` to the command line."""
    parser = subcommands.add_parser(
        "caption",
        help="CIDEr-D, BLEU, ROUGE-L, METEOR, CLIPScore of captions in COCO's results format",
        description="Score captions against references: CIDEr-D, BLEU, ROUGE-L, and on demand METEOR and CLIPScore. An "
        "empty caption is legal and scores 0 (CLIPScore judges the bare prefix).",
        epilog=examples(
            "aape metrics caption --predictions captions.json --references captions_val2014.json",
            "aape metrics caption --predictions captions.json --references captions_val2014.json --images val2014",
        ),
    )
    add_predictions(parser, "image", '{"image_id", "caption"}')
    parser.add_argument(
        "--references", dest="known", type=Path, required=True, metavar="R", help="COCO annotation JSON with captions"
    )
    parser.add_argument(
        "--tokenizer", choices=["ptb", "simple"], default="ptb", help="COCO's, in Java, or ours without Java"
    )
    parser.add_argument("--meteor", action="store_true", help="add METEOR, in Java")
    parser.add_argument("--images", type=Path, metavar="DIR", help="add CLIPScore: the folder of the file names in R")
    parser.add_argument("--backbone", metavar="NAME", help="what judges CLIPScore (default: ViT-B/32, the paper's)")
    add_out(parser)
    parser.set_defaults(run=run_caption)


def run_caption(options: argparse.Namespace) -> None:
    """Score, print a table, and write `--out`.

    Raises:
        DataError: If a file is malformed, or predictions and references do not belong together.
        MetricError: If an image has no reference, or a metric needs what is not installed.
    """
    from aape_lightning.errors import MetricError
    from aape_lightning.metrics import score_captions
    from aape_lightning.prompts.caption_files import coco_images, read_caption_json

    if options.backbone and options.images is None:
        raise MetricError("--backbone is for CLIPScore, which needs the images as well: --images DIR.")
    check_files(predictions=options.predictions, references=options.known)
    predictions = read_predictions(options.predictions, "image_id", "caption")
    images = {image.image_id: image for image in coco_images(read_caption_json(options.known))}
    ids = chosen(options, predictions, images, "image")
    captions = {number: predictions[number] for number in ids}
    references = {number: images[number].captions for number in ids}
    with naming(options.known):
        scored = score_captions(captions, references, tokenizer=options.tokenizer, meteor=options.meteor)
    scores = scored.corpus
    if options.images is not None:
        scores = scores | _clip_scores(options, [images[number] for number in ids], list(captions.values()))
    found = {"scores": scores, "images": len(ids), "images_in_references": len(images), "by_image": scored.images}
    of_all = f"{len(ids):,}" if len(ids) == len(images) else f"{len(ids):,} of {len(images):,}"
    rows = [(name, f"{score:.4f}") for name, score in scores.items()]
    give(options, f"Captions of {of_all} images", ["metric", "score"], rows, found)


def _clip_scores(options: argparse.Namespace, images: "list[AnnotatedImage]", captions: list[str]) -> dict[str, float]:
    """CLIPScore and RefCLIPScore; their names say which backbone judged."""
    import torch

    from aape_lightning.backbones import load_backbone
    from aape_lightning.commands.metrics.images import embed_images
    from aape_lightning.metrics import clip_scores

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    backbone = load_backbone(options.backbone or "ViT-B/32")
    embeddings = embed_images(backbone, [options.images / image.name for image in images], device)
    references = [image.captions for image in images]
    scores = clip_scores(backbone, embeddings, captions, references, device=device)
    return {f"{name}[{backbone.name}]": score for name, score in scores.items()}
