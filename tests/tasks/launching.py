"""Starts a script of these tests that launches its own processes, as Lightning's DDP does, and the Trainer in it."""

import os
import subprocess
import sys

from lightning.pytorch import Trainer

OF_A_LAUNCH = ("LOCAL_RANK", "NODE_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def clean_environment(cache):
    """The environment without the traces of another launch, with a cache of its own and one thread a process."""
    environment = {name: value for name, value in os.environ.items() if name not in OF_A_LAUNCH}
    return environment | {"AAPE_CACHE": str(cache), "OMP_NUM_THREADS": "1"}


def launch(script, *arguments, cache, folder):
    """Run `python SCRIPT ARGUMENTS` in a folder; what it said, once it has ended well."""
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(
        command, env=clean_environment(cache), cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "find_unused_parameters" not in done.stderr
    return done


def trainer_in(processes, **changes):
    """A Trainer of so many processes on the CPU that writes nothing of its own; keywords change it."""
    settings = {
        "accelerator": "cpu",
        "devices": processes,
        "strategy": "ddp" if processes > 1 else "auto",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }
    return Trainer(**settings | changes)
