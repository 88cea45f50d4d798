"""What is said beside results: harmless messages, hidden one by one, and `--quiet`, which hides all notes."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator

__all__ = ["is_quiet", "quiet_known_messages", "quiet_lightning", "set_quiet"]

_KNOWN_WARNINGS = (
    "LightningCLI's args parameter",  # main(args) is the door for tests and notebooks as well
    ".*does not have many workers.*",  # with stored features there is nothing for a worker to do
    ".*isinstance\\(treespec, LeafSpec\\).*",  # Lightning's own use of what torch has deprecated
    ".*smaller than the logging interval.*",  # tasks log once an epoch
    ".*Precision .* is not supported by the model summary.*",
    ".*It is recommended to use `self.log.*sync_dist=True.*",  # metrics have counted over all processes before they log
    ".*Experiment logs directory .* exists and is not empty.*",  # a resumed run's earlier metrics are kept beside
    ".*but have no `validation_step`.*",  # a task without a head has nothing to validate
    ".*Total length of `list` across ranks is zero.*",  # a dataset without validation images has no loader for them
    ".*module\\(s\\) in eval mode at the start of training.*",  # frozen towers and language models are meant to be
    ".*infer the batch indices.*",  # predictions carry their positions themselves
    ".*Discarding init_args.*",  # a method of another class is laid over a recipe: that is what methods are for
    ".*could be decompression bomb.*",  # images have a limit of our own, and what is beyond it is refused
    ".*Corrupt EXIF data.*",  # of which nothing but a note on turned images depends
)
# An advertisement; a default that matters for strangers' checkpoints, and ours are read with weights_only first; and a
# warning about a mask that `generate` was given and dropped by itself, where it hid nothing.
_KNOWN_NOTES = ("litlogger", "`weights_only` was not set", "passing in an `attention_mask`")
_LIGHTNING = ("lightning.pytorch", "lightning.fabric", "lightning")
_NOTED_BY = (
    "lightning.pytorch.utilities.rank_zero",
    "lightning.pytorch.trainer.connectors.checkpoint_connector",
    "transformers.modeling_utils",
)

_quiet = False


def set_quiet(quiet: bool = True) -> None:
    """Print results, warnings and errors alone from now on, and no progress bar and no note; or everything again."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether progress bars and notes are hidden."""
    return _quiet


def quiet_known_messages() -> None:
    """Hide the known messages from now on, and while `is_quiet` all of Lightning's that are no warnings."""
    for message in _KNOWN_WARNINGS:
        warnings.filterwarnings("ignore", message=message)
    # Lightning 2.6 calls what jsonargparse 5 will remove; our bound on jsonargparse keeps it.
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
    for name in _NOTED_BY:
        logging.getLogger(name).addFilter(_is_news)
    for name in _LIGHTNING:
        for handler in logging.getLogger(name).handlers:  # the loggers of its modules have none of their own
            handler.addFilter(_is_wanted)


def _is_news(record: logging.LogRecord) -> bool:
    return not any(note in record.getMessage() for note in _KNOWN_NOTES)


def _is_wanted(record: logging.LogRecord) -> bool:
    return not _quiet or record.levelno >= logging.WARNING


@contextlib.contextmanager
def quiet_lightning() -> Iterator[None]:
    """Hide what Lightning says of devices and seeds for every Trainer; with many jobs that hides the bar."""
    loggers = [logging.getLogger(name) for name in _LIGHTNING]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
