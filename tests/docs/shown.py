"""What the documentation shows to be typed: fenced blocks, and what is said about running them.

A comment before a block says why it is not simply run: `<!-- run: parse, why -->` for commands that are parsed in full
and not run, `<!-- run: none, why -->` for what is no command of this project's or needs the network.
"""

import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LANGUAGES = ("bash", "console", "sh", "python")
_MARKER = re.compile(r"\s*<!-- run: (?P<how>\w+), (?P<why>.+?) -->\s*$")
_FENCE = re.compile(r"^(?P<indent>\s*)```(?P<language>\w*)(?P<rest>.*)$")
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: The page's path from the root.
        line: The line that opens it.
        language: What the fence says.
        title: The file that it is shown as, empty where it is none.
        text: What is inside, without common indentation.
        how: `run`, `parse` or `none`.
        why: The reason, where it is not run.
    """

    page: str
    line: int
    language: str
    title: str
    text: str
    how: str
    why: str


def pages():
    """Every page of Markdown that is shown to users, by its path from the root."""
    found = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "PERFORMANCE.md")]
    found += [path for path in (ROOT / "docs").rglob("*.md") if "hooks" not in path.parts]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def blocks(page):
    """The fenced blocks of a page, in order."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    found, number, marker = [], 0, None
    while number < len(lines):
        line = lines[number]
        fence = _FENCE.match(line)
        if fence is None:
            marker = _MARKER.match(line) or (marker if not line.strip() else None)
            number += 1
            continue
        end = next(i for i in range(number + 1, len(lines)) if lines[i].strip() == "```")
        title = _TITLE.search(fence["rest"])
        text = textwrap.dedent("\n".join(lines[number + 1 : end])) + "\n"
        how, why = (marker["how"], marker["why"]) if marker else ("run", "")
        found.append(Block(page, number + 1, fence["language"], title[1] if title else "", text, how, why))
        number, marker = end + 1, None
    return found


def statements(text):
    """The commands of a block of shell: continued lines joined, comments and prompts left out, words split."""
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = [line.strip().removeprefix("$ ") for line in joined.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]
