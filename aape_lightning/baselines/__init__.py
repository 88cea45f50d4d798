"""The methods to compare with, over the same DataModules."""

from aape_lightning.baselines.zero_shot import ZeroShotTask
from aape_lightning.baselines.zero_shot_retrieval import ZeroShotRetrievalTask

__all__ = ["ZeroShotRetrievalTask", "ZeroShotTask"]
