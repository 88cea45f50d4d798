"""What no line of the package does, where ruff's rules do not look: each exception stands here with its reason."""

import ast
from pathlib import Path

import aape_lightning
import pytest

PACKAGE = Path(aape_lightning.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

IMPORTS = {
    "pickle": {
        "checkpoints.py": "the error that torch raises where a checkpoint would run code",
        "data/draw_files.py": "the error that the restricted unpickler raises",
        "data/draw_pickles.py": "CoOp's draws, of whose instructions and classes those of one class are let in",
        "inference/saved.py": "the error that torch raises where a checkpoint would run code",
    },
    "subprocess": {
        "metrics/java.py": "METEOR and PTB's tokeniser are Java programs",
        "metrics/meteor.py": "as above",
        "run_folder/git_state.py": "the commit of a run",
    },
    "dill": {}, "cloudpickle": {}, "joblib": {}, "marshal": {}, "shelve": {}, "runpy": {}, "pty": {}, "telnetlib": {},
    "xml": {}, "tarfile": {}, "zipfile": {}, "requests": {},
    "urllib.request": {"backbones/download.py": "OpenAI's weights, by SHA-256 and with a limit to size and time"},
}  # fmt: skip
CALLS = {
    "eval", "exec", "compile", "os.system", "os.popen", "os.execv", "os.execvp", "os.startfile", "tempfile.mktemp",
    "yaml.load", "yaml.full_load", "yaml.unsafe_load", "yaml.load_all", "torch.hub.load", "torch.jit.load",
    "pickle.load", "pickle.loads", "pickle.dump", "pickle.dumps", "shutil.unpack_archive", "subprocess.getoutput",
    "numpy.load_pickle", "builtins.eval", "os.chmod",
}  # fmt: skip


def dotted(node):
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def keywords(call):
    return {word.arg: getattr(word.value, "value", "?") for word in call.keywords}


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def faults(code, name):
    """What stands in a file that should not, with its line."""
    tree = ast.parse(code)
    for module in imported(tree):
        for forbidden, excused in IMPORTS.items():
            if (module == forbidden or module.startswith(f"{forbidden}.")) and name not in excused:
                yield f"{name}: imports {module}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called, given = dotted(node.func), keywords(node)
            last = called.rpartition(".")[2]
            where = f"{name}:{node.lineno}: {called}"
            if called in CALLS:
                yield where
            if called == "torch.load" and given.get("weights_only") is not True:
                yield f"{where} without weights_only=True"
            if called in ("np.load", "numpy.load") and given.get("allow_pickle", False) is not False:
                yield f"{where} with pickles"
            if (
                last in ("load_from_checkpoint", "fit", "test", "validate", "predict")
                and given.get("weights_only") is False
            ):
                yield f"{where} with weights_only=False"
            if (last != "shellcode" and given.get("shell")) or given.get("trust_remote_code"):  # shell: of completion
                yield f"{where} with a shell or remote code"
            if last == "SentenceTransformer" and given.get("trust_remote_code") is not False:
                yield f"{where} without trust_remote_code=False"
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("/tmp/"):
            yield f"{name}:{node.lineno}: a predictable name"


def test_the_files_are_there():
    assert len(FILES) > 300


@pytest.mark.parametrize("folder", sorted({path.relative_to(PACKAGE).parts[0] for path in FILES}))
def test_no_file_does_what_is_forbidden(folder):
    found = [path for path in FILES if path.relative_to(PACKAGE).parts[0] == folder]
    told = [fault for path in found for fault in faults(path.read_text(), path.relative_to(PACKAGE).as_posix())]
    assert told == []


def test_every_exception_is_still_needed():
    for module, excused in IMPORTS.items():
        for name in excused:
            assert any(found.startswith(module) for found in imported(ast.parse((PACKAGE / name).read_text()))), name


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from pickle import loads", "import subprocess", "eval('1')", "exec('1')", "os.system('ls')",
        "yaml.load(text)", "yaml.load(text, Loader=Loader)", "torch.load(path)", "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)", "tempfile.mktemp()", "run(words, shell=True)", "open('/tmp/x')",
        "AutoModel.from_pretrained(x, trust_remote_code=True)", "Task.load_from_checkpoint(x, weights_only=False)",
        "SentenceTransformer(name)", "import urllib.request", "import tarfile",
    ],
)  # fmt: skip
def test_the_search_finds(code):
    assert list(faults(code, "x.py"))
