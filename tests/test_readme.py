"""What README shows is run: the method of one's own."""

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import torch
from aape_lightning.protocols.results import RESULT_FILE, Result

README = Path(__file__).parents[1] / "README.md"


def block(heading):
    """The indented block behind a line that ends with these words."""
    text = README.read_text(encoding="utf-8")
    found = re.search(rf"{re.escape(heading)}\n\n((?: {{4}}.*\n|\n)+)", text)
    assert found is not None, heading
    return textwrap.dedent(found[1]).strip() + "\n"


def test_a_method_of_ones_own_is_one_file_and_one_recipe(toy_recipe, tmp_path):
    (tmp_path / "linear_map.py").write_text(block("is one file and one recipe. `linear_map.py`:"))
    (tmp_path / "linear_map.yaml").write_text(block("and `linear_map.yaml`:"))
    shutil.copy(toy_recipe, tmp_path / "toy.yaml")
    command = block("It trains, saves, loads, and stands in every table:").split()
    assert command[:2] == ["PYTHONPATH=.", "aape"]
    words = ["toy.yaml" if word == "shapes" else word for word in command[2:]]
    run = subprocess.run(
        [sys.executable, "-m", "aape_lightning", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "linear_map" in run.stdout
    results = [Result.read(path) for path in (tmp_path / "runs/mine").rglob(RESULT_FILE)]
    assert sorted((result.method, result.seed) for result in results) == [
        (method, seed) for method in ("linear_map", "zero-shot") for seed in (1, 2, 3)
    ]
    (checkpoint,) = (tmp_path / "runs/mine").rglob("linear_map/seed1/last.ckpt")
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    assert not torch.equal(state["map.weight"], torch.eye(32))
