"""`aape report`: results -> tables, figures, and one HTML page."""

import argparse
import contextlib
import json
import sys
from pathlib import Path

from aape_lightning.commands.help_format import examples

__all__ = ["add_parser", "run_report"]

_TABLES = ("table.md", "table.csv", "table.tex", "averages.csv", "runs.csv")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape report` to the command line."""
    parser = commands.add_parser(
        "report",
        help="write tables, figures and a page from results",
        description="Write tables (Markdown, CSV, LaTeX), figures and one self-contained HTML page from the results of "
        "a protocol.",
        epilog=examples("aape report runs/base-to-new", "aape report runs/base-to-new --reference zero-shot"),
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of results, as a protocol's --out")
    parser.add_argument(
        "--reference",
        metavar="METHOD",
        help="method that the others are compared with (default: aape, else a train-test's last)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the files of the report as JSON, and the tables on stderr"
    )
    parser.set_defaults(run=run_report)


def run_report(options: argparse.Namespace) -> None:
    """Write the report and say where it is."""
    from aape_lightning.report import write_report

    if not options.json:
        print(f"Report: {write_report(options.folder, reference=options.reference)}")
        return
    with contextlib.redirect_stdout(sys.stderr):
        page = write_report(options.folder, reference=options.reference)
    tables = [str(path) for name in _TABLES if (path := page.parent / name).is_file()]
    figures = sorted(str(path) for path in (page.parent / "figures").glob("*.*"))
    print(json.dumps({"report": str(page), "tables": tables, "figures": figures}, indent=2, ensure_ascii=False))
