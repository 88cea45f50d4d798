"""The report on the train-test protocol: any metrics, tables by part and condition, and galleries of examples."""
