"""The notebooks run from top to bottom, and what they keep is small and of no one's machine."""

import re

import nbformat
import pytest
from nbclient import NotebookClient

from docs.shown import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
LARGEST = 200_000  # bytes


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.enable_socket  # a kernel is spoken to over the loopback
def test_it_runs(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    client = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    client.execute()  # an error in a cell is raised
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))


def test_its_outputs_are_kept_in_order_and_without_errors(notebook):
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    assert outputs
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_small_and_tells_nothing_of_a_machine(path):
    text = path.read_text()
    assert path.stat().st_size < LARGEST
    assert not re.findall(r"(?:/home|/root|/tmp|/work|/Users)/\S*|ipykernel_\d+", text)


def test_both_are_there():
    assert {path.stem for path in NOTEBOOKS} == {"own_images", "look_inside"}
