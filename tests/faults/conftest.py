"""What the victims work on, and the table of faults that `make test-faults` ends with."""

import json
import shutil

import fault_table
import pytest
import yaml


def pytest_terminal_summary(terminalreporter):
    if fault_table.ROWS:
        terminalreporter.section("faults")
        for line in fault_table.told(fault_table.ROWS):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def larger_root(toy_root, tmp_path_factory):
    """A data root with four times the toy's images and many more sentences, for work that takes a second."""
    root = tmp_path_factory.mktemp("larger") / "data"
    shutil.copytree(toy_root, root)
    split = json.loads((root / "toy" / "split_toy.json").read_text())
    for entries in split.values():
        for path, label, name in list(entries):
            for copy in ("a", "b", "c"):
                entries.append([f"{copy}/{path}", label, name])
                (root / "toy" / "images" / copy / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / "toy" / "images" / path, root / "toy" / "images" / copy / path)
    (root / "toy" / "split_toy.json").write_text(json.dumps(split))
    sentences = json.loads((root / "toy_prompts.json").read_text())
    many = {name: [f"{line[:-1]}, {k}." for line in lines for k in range(120)] for name, lines in sentences.items()}
    (root / "toy_prompts.json").write_text(json.dumps(many))
    manifest = yaml.safe_load((root / "toy.yaml").read_text())
    manifest["counts"] = {part: count * 4 if part != "classes" else count for part, count in manifest["counts"].items()}
    (root / "toy.yaml").write_text(yaml.safe_dump(manifest))
    return root
