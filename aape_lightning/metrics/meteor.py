"""METEOR 1.5 in Java, as COCO's evaluation calls it."""

import subprocess
from collections.abc import Sequence

from aape_lightning.errors import MetricError, reason
from aape_lightning.metrics.java import JAVA, caption_tools, require_java

__all__ = ["meteor"]

_BETWEEN = " ||| "


def meteor(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, list[float]]:
    """METEOR of tokenised captions: of the corpus, and of each image.

    Args:
        candidates: One caption an image.
        references: One or more captions an image.

    Raises:
        MetricError: If there is no Java, or METEOR fails.
    """
    require_java("METEOR")
    jar = caption_tools() / "meteor" / "meteor-1.5.jar"
    command = [*JAVA, "-Xmx2G", "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"]
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    try:
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=null, encoding="utf-8") as process:
            try:
                return _converse(process, candidates, references)
            finally:
                process.kill()
    except (OSError, ValueError) as error:
        raise MetricError(f"METEOR failed in Java ({jar.name}): {reason(error)}.") from error


def _converse(
    process: "subprocess.Popen[str]", candidates: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[float, list[float]]:
    """Ask for the statistics of each image, then for the scores of all of them and of the corpus."""
    assert process.stdin is not None
    assert process.stdout is not None
    statistics = []
    for candidate, of_image in zip(candidates, references, strict=True):
        texts = [text.replace("|||", "") for text in (*of_image, candidate)]
        print("SCORE", *texts, sep=_BETWEEN, file=process.stdin, flush=True)
        statistics.append(process.stdout.readline().strip())
    print("EVAL", *statistics, sep=_BETWEEN, file=process.stdin, flush=True)
    scores = [float(process.stdout.readline()) for _ in candidates]
    return float(process.stdout.readline()), scores
