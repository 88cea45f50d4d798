"""Names of the protocols and of the field's datasets, as results have them; apart, so that naming one loads nothing."""

__all__ = [
    "BASE_TO_NEW",
    "COOP_DATASETS",
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

# The 11 datasets of CoOp, ImageNet first, as its tables and CoCoOp's transfer have them.
COOP_DATASETS = (
    "imagenet",
    "caltech101",
    "oxford_pets",
    "stanford_cars",
    "oxford_flowers",
    "food101",
    "fgvc_aircraft",
    "sun397",
    "dtd",
    "eurosat",
    "ucf101",
)
