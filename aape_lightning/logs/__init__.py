"""Where a run's metrics, hyper-parameters and pictures go: `metrics.csv`, TensorBoard, W&B, MLflow."""

from aape_lightning.logs.base import RunLogger
from aape_lightning.logs.callback import LogRun
from aape_lightning.logs.chosen import chosen_loggers, default_loggers
from aape_lightning.logs.earlier import set_earlier_aside
from aape_lightning.logs.hyper_parameters import flat_hyper_parameters
from aape_lightning.logs.metrics_file import MetricsFile
from aape_lightning.logs.mlflow import MLflow
from aape_lightning.logs.tensorboard import TensorBoard
from aape_lightning.logs.wandb import WeightsAndBiases

__all__ = [
    "LogRun",
    "MLflow",
    "MetricsFile",
    "RunLogger",
    "TensorBoard",
    "WeightsAndBiases",
    "chosen_loggers",
    "default_loggers",
    "flat_hyper_parameters",
    "set_earlier_aside",
]
