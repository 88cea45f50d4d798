"""Makes the page of recipes from the headers of the recipe files: what each is, how it is run, what to expect."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "classification": "Classification",
    "retrieval": "Retrieval",
    "captioning": "Captioning",
    "vqa": "Questions",
    "methods": "Methods, laid over a recipe",
    "paper": "The paper's tables and figures",
    "studies": "Studies of our own",
    "pretrain": "Models trained from scratch",
    "strategies": "Many GPUs, laid over a recipe",
    "loggers": "Loggers, laid over a recipe",
}
_SAID = re.compile(r"(?:Expected|Published|Measured)\b.*?(?=\.\s|\.$|$)|[Nn]ot measured here[^.]*", re.DOTALL)


@dataclass(frozen=True)
class Recipe:
    """What a recipe's header says.

    Attributes:
        name: The short name that `--config`, `--recipe`, `--method` or `protocol run` takes.
        purpose: The header's first sentence.
        commands: The commands that it shows.
        expected: What it says of results, or where `docs/measured.yaml` says they stand.
    """

    name: str
    purpose: str
    commands: tuple[str, ...]
    expected: str


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    files.append(File.generated(config, "recipes.md", content=page()))
    return files


def measured() -> dict[str, Any]:
    """Where results of recipes stand whose headers do not say, by short name and by folder."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "measured.yaml").read_text(encoding="utf-8"))
    return found


def read_recipe(path: Path) -> Recipe:
    """A recipe's header."""
    header = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        header.append(line.removeprefix("#").removeprefix(" "))
    prose = " ".join(line for line in header if not line.startswith(" "))
    purpose = re.split(r"(?<=\.)\s|: (?=[`a-z]*\b(?:aape|torchrun|make)\b)", prose, maxsplit=1)[0].rstrip(":.")
    return Recipe(path.stem, purpose, _commands(header), _expected(path, prose))


def _commands(header: list[str]) -> tuple[str, ...]:
    found: list[str] = []
    for line in header:
        if line.startswith("   ") and found and not line.strip().startswith(("aape ", "torchrun ", "srun ")):
            found[-1] = f"{found[-1].removesuffix(chr(92)).rstrip()} {line.strip()}"
        elif line.startswith("  ") and line.strip().startswith("aape "):
            found.append(line.strip())
    return tuple(re.sub(r"\s+", " ", command) for command in found)


def _expected(path: Path, prose: str) -> str:
    places = measured()
    if path.stem in places["recipes"]:
        return str(places["recipes"][path.stem])
    said = [part.strip(" .").removeprefix("Expected: ") for part in _SAID.findall(prose)]
    told = "; ".join(dict.fromkeys(part for part in said if part))
    return told or str(places["folders"].get(path.parent.name, ""))


def recipes(folder: str) -> list[Recipe]:
    """The recipes of a folder, by name."""
    return [read_recipe(path) for path in sorted((ROOT / "recipes" / folder).glob("*.yaml"))]


def page() -> str:
    """The page: a table for each folder."""
    parts = [(ROOT / "docs" / "hooks" / "recipes.md").read_text(encoding="utf-8")]
    for folder, title in FOLDERS.items():
        found = recipes(folder)
        if found:
            parts += [f"## {title}", "", "| name | what it is | expected |", "| --- | --- | --- |"]
            parts += [f"| `{each.name}` | {_cell(each.purpose)} | {_cell(each.expected)} |" for each in found]
            parts += ["", *_shown(found)]
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _shown(found: list[Recipe]) -> list[str]:
    commands = [
        f"    # {each.name}\n" + "\n".join(f"    {line}" for line in each.commands) for each in found if each.commands
    ]
    return ['??? note "Their commands"', "", "    ```bash", *commands, "    ```", ""] if commands else []
