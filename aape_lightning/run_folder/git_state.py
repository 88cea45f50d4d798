"""The state of the git repository that a command was started in."""

import subprocess
from typing import TypedDict

__all__ = ["GitState", "git_state"]

_PATIENCE = 5.0  # seconds, in a repository of any size


class GitState(TypedDict):
    """A commit, and whether files differ from it.

    Attributes:
        commit: Its hash.
        dirty: Whether the working tree has changes or untracked files; None where git did not say in time.
    """

    commit: str
    dirty: bool | None


def git_state() -> GitState | None:
    """The state of the current folder's repository; None outside of one, without a commit, or without git."""
    commit = _git("rev-parse", "--verify", "HEAD")
    if not commit:
        return None
    changes = _git("status", "--porcelain")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _git(*args: str) -> str | None:
    try:
        done = subprocess.run(
            # A repository's own configuration may name a program to ask for what has changed; none is run.
            ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", *args],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
