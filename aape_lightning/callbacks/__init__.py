"""Trainer callbacks: a run's files, curves, learning rate, predictions, and its progress."""

from aape_lightning.callbacks.curves import Curves
from aape_lightning.callbacks.learning_rate import LearningRate
from aape_lightning.callbacks.mid_epoch import MidEpoch
from aape_lightning.callbacks.predictions import PredictionWriter
from aape_lightning.callbacks.progress_bar import ProgressBar
from aape_lightning.callbacks.requeue import RequeueAfterStep
from aape_lightning.callbacks.run_files import RunFiles
from aape_lightning.callbacks.same_run import SameRun
from aape_lightning.callbacks.saved_config import SavedConfig
from aape_lightning.callbacks.step_seeds import StepSeeds

__all__ = [
    "Curves",
    "LearningRate",
    "MidEpoch",
    "PredictionWriter",
    "ProgressBar",
    "RequeueAfterStep",
    "RunFiles",
    "SameRun",
    "SavedConfig",
    "StepSeeds",
]
