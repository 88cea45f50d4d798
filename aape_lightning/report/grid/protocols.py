"""The protocols whose results form a grid, by what its columns are."""

from aape_lightning.protocols.names import COST, FEW_SHOT, SWEEP, TRANSFERS

__all__ = ["GRIDS", "OVER_SETTINGS"]

OVER_SETTINGS = (FEW_SHOT, SWEEP)
GRIDS = (*OVER_SETTINGS, *TRANSFERS, COST)
