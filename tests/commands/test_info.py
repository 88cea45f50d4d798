"""`aape info`: what it finds, and what it keeps to itself."""

import json
import os
import platform
import tomllib
from pathlib import Path

import huggingface_hub.constants  # noqa: F401 - which looks at the home folder once, before the tests have others
import pytest
import torch
from aape_lightning import __version__
from aape_lightning.__main__ import main
from aape_lightning.backbones.load import SHIPPED
from aape_lightning.commands import surroundings
from aape_lightning.commands.shown import shown_age, shown_path, shown_size
from aape_lightning.language.load import SHIPPED as LANGUAGE_MODELS


@pytest.fixture
def info(capsys, monkeypatch, tmp_path):
    """The output of `aape info` in a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path / "somebody"))
    monkeypatch.setenv("AAPE_CACHE", str(tmp_path / "somebody" / "caches"))

    def run(*arguments):
        assert main(["info", *arguments]) == 0
        return capsys.readouterr().out

    return run


def test_it_tells_versions_devices_and_what_ships(info):
    found = json.loads(info("--json"))
    assert found["versions"]["aape_lightning"] == __version__
    assert found["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert found["versions"]["python"] == platform.python_version()
    cpu = found["devices"][0]
    assert (cpu["name"], cpu["cores"]) == ("cpu", os.cpu_count())
    assert cpu["memory"] > 2**28
    assert len(found["devices"]) == 1 + torch.cuda.device_count() + torch.backends.mps.is_available()
    assert found["shipped"]["backbones"] == list(SHIPPED) == ["shapes-tiny"]
    assert found["shipped"]["language models"] == list(LANGUAGE_MODELS) == ["shapes-lm"]
    assert "caltech101" in found["shipped"]["recipes"]


def test_it_names_no_machine_and_no_user(info, tmp_path):
    told = info() + info("--json")
    assert platform.node() not in told
    assert str(tmp_path) not in told
    assert "somebody" not in told
    assert "~/caches/banks" in told


def test_caches_are_counted_with_their_sizes(info, tmp_path, tiny_backbone):
    from aape_lightning.prompts import open_or_build_bank

    folder = tmp_path / "somebody" / "caches" / "banks"
    open_or_build_bank(tiny_backbone, {"cat": ["a cat."]}, folder, torch.device("cpu"))
    weights = tmp_path / "somebody" / ".cache" / "clip" / "model.pt"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"x" * 1000)
    caches = json.loads(info("--json"))["caches"]
    (bank,) = folder.glob("*.safetensors")
    assert caches["banks"] == {"path": "~/caches/banks", "bytes": bank.stat().st_size, "entries": 1}
    assert caches["CLIP weights"] == {"path": "~/.cache/clip", "bytes": 1000}
    assert "(1 entry)" in info()


def test_an_absent_library_is_told_with_the_command_that_installs_it(info, monkeypatch):
    monkeypatch.setattr(surroundings, "EXTRAS", {"open-clip": (("no_such_module",), "backbones of open_clip")})
    assert "absent (backbones of open_clip): pip install 'aape-lightning[open-clip]'" in " ".join(info().split())


def test_every_extra_is_known_that_a_user_may_install():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    for_users = set(project["optional-dependencies"]) - {"dev", "docs", "all"}
    assert for_users <= set(surroundings.EXTRAS)


@pytest.mark.parametrize(
    ("capability", "precisions"),
    [(6, ["float32"]), (7, ["float32", "float16"]), (9, ["float32", "float16", "bfloat16"])],
)
def test_a_gpu_is_told_with_memory_and_precisions(capability, precisions, info, monkeypatch):
    class Properties:
        name = "A GPU"
        major = capability
        total_memory = 80 * 2**30

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: Properties)
    assert f"cuda:0 A GPU 80 GiB, {', '.join(precisions)}" in " ".join(info().split())


def test_sizes_ages_and_paths_are_short(monkeypatch):
    assert [shown_size(size) for size in (0, 999, 1000, 10**9, 2 * 10**15)] == [
        "0 B", "999 B", "1 kB", "1.0 GB", "2000.0 TB",
    ]  # fmt: skip
    monkeypatch.setattr("time.time", lambda: 100 * 86400.0)
    assert [shown_age(100 * 86400.0 - age) for age in (0, 59, 61, 7300, 86400 * 31)] == [
        "just now", "just now", "1 min ago", "2 h ago", "31 d ago"
    ]  # fmt: skip
    assert shown_path(Path("/elsewhere/x")) == "/elsewhere/x"
