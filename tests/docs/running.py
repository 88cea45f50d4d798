"""Runs what the documentation shows, on toy data and at small sizes, in this process.

What a reader has and a test has not is put in its place: `$DATA` is a data root with the toy dataset, a shipped
benchmark is that dataset, ViT-B/16 is a random tiny CLIP, `<run>` is the newest run folder. Nothing else is changed but
sizes: epochs, batches, seeds.
"""

import itertools
import os
import re
import shlex
import sys

import aape_lightning.__main__ as door
import pytest
import yaml
from aape_lightning.resources import method_path, recipe_path, written_names

from docs.shown import ROOT, statements

SMALL = (
    "--trainer.accelerator", "cpu", "--trainer.max_epochs", "3", "--trainer.limit_train_batches", "2",
    "--trainer.limit_val_batches", "1", "--trainer.limit_test_batches", "2", "--data.num_workers", "0",
)  # fmt: skip
STAGED = ("--model.aggregator_epochs", "1")
TRAINER_COMMANDS = ("fit", "validate", "test", "predict")
NAMED = ("--manifest", "--data.manifest", "--backbone", "--data.backbone", "--class", "--targets")


class World:
    """A folder in which a page's commands run, one after another.

    Args:
        folder: The folder, empty.
        root: The data root of the toy dataset.
        captions: The manifest of the toy dataset's captions.
        clip: The file of the tiny CLIP.
    """

    def __init__(self, folder, root, captions, clip):
        self.folder, self.root, self.clip = folder, root, clip
        self.toy = ("--data.manifest", str(root / "toy.yaml"), "--data.root", str(root), "--data.prompts", "llm")
        self.captions = ("--data.manifest", str(captions), "--data.root", str(root))
        self.names = {
            "caltech101": str(root / "toy.yaml"), "yin_yang": "red_car", "flickr8k": str(captions),
            "flickr30k": str(captions), "ViT-B/16": str(clip), "ViT-L/14": str(clip),
        }  # fmt: skip
        self.namespace = {"__name__": "__main__"}

    # ---- blocks --------------------------------------------------------------------------------------------------

    def run(self, block):
        """Run a block, or parse its commands, as its marker says; a file that it shows is written."""
        if block.title:
            (self.folder / block.title).write_text(block.text)
        elif block.language == "python":
            if block.how == "run":
                exec(compile(block.text, f"{block.page}:{block.line}", "exec"), self.namespace)
        elif block.how != "none":
            for words in statements(block.text):
                self.command(words, block)

    def command(self, words, block):
        """Run or parse one command."""
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            name, _, value = words[0].partition("=")
            os.environ[name] = value
            if name == "PYTHONPATH":
                sys.path.insert(0, str(self.folder))
            words = words[1:]
        words = [self.expanded(word, block) for word in words]
        match words:
            case ["export", assigned]:
                os.environ.update([assigned.split("=", 1)])
            case ["aape", *args]:
                self.aape(args) if block.how == "run" else self.parse(args)
            case ["make", *args]:
                make(args)
            case ["pip", "install", *args]:
                install(args)
            case ["torchrun" | "srun", *args]:
                assert block.how == "parse", "no test starts torchrun"
                start = args.index("aape_lightning") if "aape_lightning" in args else args.index("aape")
                self.parse(args[start + 1 :])
            case [program, *_]:
                pytest.fail(f"{block.page}:{block.line}: no rule for running {program!r}; mark the block")

    def expanded(self, word, block):
        """A word with its variables, and `<run>` as the newest folder there."""
        word = os.path.expandvars(word)
        if "<run>" not in word or block.how != "run":
            return word
        fitting = sorted(self.folder.glob(word.replace("<run>", "*")), key=lambda path: path.stat().st_mtime)
        assert fitting, f"{block.page}:{block.line}: no {word}"
        return str(fitting[-1])

    # ---- aape ----------------------------------------------------------------------------------------------------

    def aape(self, args):
        """Run a command of `aape` at a small size."""
        try:
            done = door.main(self.small(self.renamed(args)))
        except SystemExit as left:  # after help, a version or a configuration
            done = left.code
        assert not done, f"exit code {done}: aape {shlex.join(args)}"

    def renamed(self, args):
        """The arguments with toy things in the place of benchmarks and of weights."""
        pairs = zip([None, *args], args, strict=False)
        return [self.names.get(arg, arg) if before in NAMED else arg for before, arg in pairs]

    def small(self, args):
        """The arguments with small sizes behind them, and one seed."""
        command, *_ = args
        if recipes_of(args) and (command in ("fit", "protocol") or args[:2] == ["cache", "build"]):
            return [*one_seed(args), *self.sizes(recipes_of(args))]
        return args

    def sizes(self, recipes):
        """Keys that make recipes small, and put toy data in the place of those that are not here."""
        recipe = yaml.safe_load(recipe_path(recipes[0]).read_text())
        task, data = recipe["model"]["class_path"], recipe["data"].get("init_args", {})
        small = [*SMALL, *STAGED, "--data.backbone", str(self.clip)]
        if task == "ClassificationTask":
            small += ["--data.views", "1", "--data.shots", "4", *(self.toy if data.get("manifest") else ())]
        if task == "RetrievalTask":
            small += self.captions
        return small

    def parse(self, args):
        """Parse a command of `aape` in full: its own arguments, and the keys of recipes against their recipes."""
        door.parser().parse_args(args)
        if args[0] in TRAINER_COMMANDS:
            print_configuration(args)
        elif args[0] == "protocol":
            parse_protocol(args)


def one_seed(args):
    """The arguments with the first of the seeds."""
    if "--seeds" not in args:
        return [*args, "--seeds", "1"] if args[0] == "protocol" else args
    start = args.index("--seeds") + 1
    end = next((i for i in range(start, len(args)) if args[i].startswith("--")), len(args))
    return [*args[: start + 1], *args[end:]]


def values_of(args, *options):
    """The values of options."""
    return [value for option, value in itertools.pairwise(args) if option in options]


def recipes_of(args):
    """The recipes that a command names."""
    return values_of(args, "--config", "--recipe")


def keys_of(args):
    """Keys of a recipe among the arguments, with their values."""
    pairs = zip(args, [*args[1:], "true"], strict=True)
    return [
        word for key, value in pairs if key.startswith(("--data.", "--model.", "--trainer.")) for word in (key, value)
    ]


def print_configuration(args):
    """Have LightningCLI parse a command line and print what comes out; a run's own file is that of some recipe."""
    words = [
        str(stand_in(word)) if before == "--config" else word for before, word in zip([None, *args], args, strict=False)
    ]
    with pytest.raises(SystemExit) as left:
        door.main([*words, "--print_config"])
    assert left.value.code == 0, args


def stand_in(config):
    """A configuration that is there, for one that a run would have left."""
    if (ROOT / config).is_file():
        return ROOT / config
    if not config.endswith("config.yaml"):
        return config
    return recipe_path(
        "flickr8k_captioning" if "RUN" in config else "flickr8k_retrieval" if "flickr" in config else "shapes"
    )


def parse_protocol(args):
    """Look up recipes, methods and files of a protocol, and parse its keys over each recipe."""
    for name in values_of(args, "--method"):
        method_path(name)
    if args[1] == "run":
        assert args[2] in written_names()
    for recipe in recipes_of(args):
        recipe_path(recipe)
        print_configuration(["fit", "--config", recipe, *keys_of(args)])


def make(args):
    """See that the targets of `make` are there."""
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    targets = [arg for arg in args if "=" not in arg]
    assert set(targets) <= known, f"no target of the Makefile: {sorted(set(targets) - known)}"


def install(args):
    """See that the extras that are installed are there."""
    pyproject = (ROOT / "pyproject.toml").read_text()
    for extra in re.findall(r"\[([\w,-]+)\]", " ".join(args)):
        for name in extra.split(","):
            assert re.search(rf"^{re.escape(name)} = \[", pyproject, flags=re.MULTILINE), f"no extra {name!r}"
