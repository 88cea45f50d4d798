"""Export: towers, AAPE and classifier as files that run without this package.

Names are imported on first use, so that light commands do not wait for heavy libraries.
"""

from typing import TYPE_CHECKING

from aape_lightning.lazy import lazy_names

if TYPE_CHECKING:
    from aape_lightning.export.check import largest_difference, open_program
    from aape_lightning.export.program import Program
    from aape_lightning.export.programs import build_program
    from aape_lightning.export.run import Exported, export
    from aape_lightning.export.write import write_program

__all__ = ["Exported", "Program", "build_program", "export", "largest_difference", "open_program", "write_program"]

_HOMES = {
    "Exported": "run",
    "Program": "program",
    "build_program": "programs",
    "export": "run",
    "largest_difference": "check",
    "open_program": "check",
    "write_program": "write",
}

__getattr__ = lazy_names(__name__, _HOMES)
