import subprocess
import sys

import pytest
import torch
from aape_lightning.tensor_files import save_tensors
from safetensors import safe_open

MADE = """
import sys, torch
from pathlib import Path
from aape_lightning.tensor_files import save_tensors
save_tensors({"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(1)}, Path(sys.argv[1]),
             {name: f"{name} of it" for name in ("one", "two", "three", "four", "five", "six")})
"""


@pytest.mark.parametrize("metadata", [{"b": "2", "a": "1"}, {"é": '"\\\n\x01', "a": "ü\u2028"}])
def test_what_is_written_is_read_again(metadata, tmp_path):
    path, tensors = tmp_path / "some.safetensors", {"x": torch.rand(3, 2), "n": torch.arange(5)}
    save_tensors(tensors, path, metadata)
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == metadata
        assert {name: file.get_tensor(name).tolist() for name in file.keys()} == {  # noqa: SIM118 - no mapping
            name: tensor.tolist() for name, tensor in tensors.items()
        }


def test_equal_content_gives_equal_bytes(tmp_path):
    for name in ("first", "second", "third"):
        subprocess.run([sys.executable, "-c", MADE, str(tmp_path / name)], check=True)
    assert len({(tmp_path / name).read_bytes() for name in ("first", "second", "third")}) == 1
