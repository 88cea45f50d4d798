"""Names of the protocols, as the command line and results have them; apart, so that naming one loads nothing."""

__all__ = ["BASE_TO_NEW", "TRAIN_TEST"]

BASE_TO_NEW = "base-to-new"
TRAIN_TEST = "train-test"
