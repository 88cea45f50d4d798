"""The methods to compare with, over the same DataModules."""

from aape_lightning.baselines.clip_adapter import CLIPAdapterTask
from aape_lightning.baselines.cocoop import CoCoOpTask
from aape_lightning.baselines.coop import CoOpTask
from aape_lightning.baselines.kgcoop import KgCoOpTask
from aape_lightning.baselines.linear_probe import LinearProbeTask
from aape_lightning.baselines.maple import MaPLeTask
from aape_lightning.baselines.prograd import ProGradTask
from aape_lightning.baselines.promptsrc import PromptSRCTask
from aape_lightning.baselines.tip_adapter import TipAdapterTask
from aape_lightning.baselines.zero_shot import ZeroShotTask
from aape_lightning.baselines.zero_shot_retrieval import ZeroShotRetrievalTask

__all__ = [
    "CLIPAdapterTask",
    "CoCoOpTask",
    "CoOpTask",
    "KgCoOpTask",
    "LinearProbeTask",
    "MaPLeTask",
    "ProGradTask",
    "PromptSRCTask",
    "TipAdapterTask",
    "ZeroShotRetrievalTask",
    "ZeroShotTask",
]
