"""`aape report`: results -> tables, figures, and one HTML page."""

import argparse
from pathlib import Path

__all__ = ["add_parser", "run_report"]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape report` to the command line."""
    parser = commands.add_parser(
        "report",
        help="write tables, figures and a page from results",
        epilog="Example: aape report runs/base-to-new",
    )
    parser.add_argument("folder", type=Path, help="folder of results, as a protocol's --out")
    parser.add_argument(
        "--reference", help="method that the others are compared with (default: aape, else a train-test's last)"
    )
    parser.set_defaults(run=run_report)


def run_report(options: argparse.Namespace) -> None:
    """Write the report and say where it is."""
    from aape_lightning.report import write_report

    page = write_report(options.folder, reference=options.reference)
    print(f"Report: {page}")
