"""Makes a page of reference for each public package from its docstrings, and their part of the navigation."""

import ast
from pathlib import Path

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "aape_lightning"
_COMMAND_LINE = ("door",)  # the command line has pages of its own


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages behind the reference's first one."""
    for section in config.nav or []:
        if "Reference" in section:
            first, *others = section["Reference"]
            section["Reference"] = [first, *(page_name(name) for name in packages()), *others]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and the one that lists them."""
    for name, purpose in packages().items():
        files.append(File.generated(config, page_name(name), content=page(name, purpose)))
    files.append(File.generated(config, "reference/index.md", content=overview()))
    return files


def packages() -> dict[str, str]:
    """What each public package is for, from the ground up; single modules of the ground are one page."""
    floors = yaml.safe_load((ROOT / "docs" / "floors.yaml").read_text(encoding="utf-8"))["floors"]
    found = {"aape_lightning": "what everything else stands on"}
    for floor in floors:
        if floor["name"] not in _COMMAND_LINE:
            found |= {
                name: what for name, what in floor["packages"].items() if (PACKAGE / name / "__init__.py").is_file()
            }
    return found


def page_name(package: str) -> str:
    """The page of a package."""
    return f"reference/{package}.md"


def modules(package: str) -> list[str]:
    """The dotted names of a package's modules that offer something to others."""
    ground = package == "aape_lightning"
    paths = PACKAGE.glob("*.py") if ground else (PACKAGE / package).rglob("*.py")
    known = ("errors", "batch", "files", "shards", "lazy", "resources")
    chosen = [path for path in sorted(paths) if (path.stem in known or not ground) and _defines_public(path)]
    return [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in chosen]


def _defines_public(path: Path) -> bool:
    """Whether a module itself defines a name of its `__all__`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    public, defined = set(), set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign):
            names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            defined |= names
            if "__all__" in names:
                public = set(ast.literal_eval(node.value))
    return bool(public & defined)


def page(package: str, purpose: str) -> str:
    """A package's page: each module with what it offers."""
    parts = [f"# {package}", "", purpose[0].upper() + purpose[1:] + ".", ""]
    for module in modules(package):
        short = module.removeprefix(f"aape_lightning.{package}.").removeprefix("aape_lightning.")
        parts += [f"## {short}", "", f"::: {module}", "    options:", "      show_root_heading: false", ""]
    return "\n".join(parts)


def overview() -> str:
    """The page that lists the packages."""
    rows = [f"| [{name}]({name}.md) | {purpose} |" for name, purpose in packages().items()]
    return "\n".join(
        [
            "# Reference",
            "",
            "Made from the docstrings. `aape fit --model.help NAME` prints the options of a task too.",
            "",
            "| package | |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )
