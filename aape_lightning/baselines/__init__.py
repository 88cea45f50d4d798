"""The methods to compare with, over the same DataModules."""

from aape_lightning.baselines.zero_shot import ZeroShotTask

__all__ = ["ZeroShotTask"]
