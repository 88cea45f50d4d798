"""AAPE: aggregate-and-adapt natural language prompts for CLIP."""

__version__ = "0.1.0"
