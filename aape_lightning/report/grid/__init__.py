"""The report on protocols whose results form a grid: methods by settings, by test sets, or by costs."""
