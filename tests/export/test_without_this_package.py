"""An exported classifier is enough for somebody who has neither this package nor torch: the page's script, run so."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from aape_lightning.export import export
from aape_lightning.inference.folder import write_folder
from aape_lightning.inference.loading import load_saved
from PIL import Image

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
WITHOUT = (
    "import sys\n"
    "for name in ('torch', 'torchvision', 'clip', 'lightning', 'aape_lightning'):\n"
    "    sys.modules[name] = None\n"
)


@pytest.fixture
def exported(saved, toy_root, tmp_path):
    write_folder(saved, tmp_path / "shared")
    export(tmp_path / "shared", tmp_path / "birds.onnx")
    image = next((toy_root / "toy" / "images" / "red_car").glob("*.png"))
    Image.open(image).convert("RGB").save(tmp_path / "photo.jpg", quality=95)
    return tmp_path


def test_the_script_of_the_page_classifies_as_we_do(exported, saved):
    script = re.search(r"```python\n(import json\n.*?)```", PAGE.read_text(), re.DOTALL)[1]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT + script], cwd=exported, capture_output=True, text=True, check=True
    )
    name, probability = done.stdout.strip().rsplit(" ", 1)
    expected = load_saved(saved, "made", device="cpu").classify(exported / "photo.jpg", top=1)
    assert name == saved.inference["class_names"][int(expected.probabilities[0].argmax())]
    assert float(probability) == pytest.approx(float(expected.probabilities[0].max()), abs=1e-4)


def test_the_facts_name_all_that_the_script_needs(exported, saved):
    facts = json.loads((exported / "birds.onnx.json").read_text())
    assert facts["class_names"] == saved.inference["class_names"]
    assert facts["class_embeddings"] == "birds.onnx.safetensors"
    assert facts["backbone"] == saved.hyper_parameters["backbone_spec"]
    assert {name: given["shape"] for name, given in facts["inputs"].items()} == {
        "image": ["batch", 3, 32, 32],
        "class_embeddings": ["classes", 32],
    }
    assert facts["largest_difference_from_pytorch"] < 1e-4
