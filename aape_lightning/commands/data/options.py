"""Options that several commands share."""

import argparse
from pathlib import Path

__all__ = ["add_dataset"]


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """Add `--manifest` and `--root` to a command."""
    parser.add_argument(
        "--manifest",
        required=True,
        metavar="M",
        help="short name or path of a manifest, a domain such as pacs/photo, or a folder of images",
    )
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="the data root, CoOp's $DATA (default: the manifest's own, else .)"
    )
