"""Java, which two of the tools that ship with pycocoevalcap are written in."""

import functools
import importlib.util
import shutil
import subprocess
from pathlib import Path

from aape_lightning.errors import MetricError

__all__ = ["caption_tools", "has_java", "require_java", "run_java"]

# Whatever the user's locale: texts are UTF-8 (before Java 18 it was the locale's), and 0.5 has a point.
JAVA = ("java", "-Dfile.encoding=UTF-8", "-Duser.language=en", "-Duser.country=US")


@functools.cache
def has_java() -> bool:
    """Whether `java` runs; macOS has a program of that name that only says where to get it."""
    return shutil.which("java") is not None and subprocess.run([*JAVA, "-version"], capture_output=True).returncode == 0


def require_java(purpose: str) -> None:
    """Refuse what Java is missing for.

    Raises:
        MetricError: If it is.
    """
    if not has_java():
        raise MetricError(
            f"{purpose} needs Java, and there is no `java` that runs on the PATH. Install a Java runtime (8 or newer), "
            "or do without: the tokenizer 'simple' (--tokenizer simple) and no METEOR; scores under another tokenizer "
            "are not comparable, and their names say which one it was."
        )


def caption_tools() -> Path:
    """The folder of pycocoevalcap, with the tools that it ships.

    Raises:
        MetricError: If it is not installed.
    """
    found = importlib.util.find_spec("pycocoevalcap")
    if found is None or not found.submodule_search_locations:
        raise MetricError(
            "Caption scores need pycocoevalcap, which is not installed: pip install 'aape-lightning[caption]'"
        )
    return Path(next(iter(found.submodule_search_locations)))


def run_java(jar: Path, *arguments: str, text: str) -> str:
    """What a class of a jar writes when it reads a text.

    Raises:
        MetricError: If it fails.
    """
    done = subprocess.run([*JAVA, "-cp", str(jar), *arguments], input=text.encode(), capture_output=True)
    if done.returncode:
        errors = done.stderr.decode(errors="replace").strip().splitlines()
        raise MetricError(f"Java failed on {jar.name}: {errors[-1] if errors else f'exit code {done.returncode}'}.")
    return done.stdout.decode()
