"""Names of the protocols, as the command line and results have them; apart, so that naming one loads nothing."""

__all__ = [
    "BASE_TO_NEW",
    "COST",
    "CROSS_DATASET",
    "DOMAIN_GENERALIZATION",
    "FEW_SHOT",
    "SWEEP",
    "TRAIN_TEST",
    "TRANSFERS",
]

BASE_TO_NEW = "base-to-new"
TRAIN_TEST = "train-test"
FEW_SHOT = "few-shot"
DOMAIN_GENERALIZATION = "domain-generalization"
CROSS_DATASET = "cross-dataset"
SWEEP = "sweep"
COST = "cost"

TRANSFERS = (DOMAIN_GENERALIZATION, CROSS_DATASET)  # those that test on targets
