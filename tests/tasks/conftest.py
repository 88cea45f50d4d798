"""What tests of tasks share: questions about the toy's images."""

import csv
import json

import pytest
import yaml


@pytest.fixture(scope="session")
def ask_about(toy_root):
    """Writes a manifest of two questions about each of the toy's images, of which `answer(label, name)` answers one."""

    def write(name, answer, **split):
        entries = json.loads((toy_root / "toy" / "split_toy.json").read_text())
        for part, items in entries.items():
            with (toy_root / "toy" / f"{part}_{name}.csv").open("w", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(["image", "question", "answer"])
                for path, label, class_name in items:
                    rows.writerow([path, "what is there?", answer(label, class_name.lower())])
                    rows.writerow([path, "is there a red car?", "no" if label else "yes"])
        manifest = {
            "name": f"toy_{name}",
            "title": f"Toy {name}",
            "kind": "questions",
            "folder": ["toy"],
            "images": "images",
            "split": {"format": "csv", "files": {part: f"{part}_{name}.csv" for part in entries}, **split},
            "licence": "none",
            "source": "made by a test",
        }
        path = toy_root / f"toy_{name}.yaml"
        path.write_text(yaml.safe_dump(manifest))
        return path

    return write


@pytest.fixture(scope="session")
def toy_questions(ask_about):
    """The manifest of two questions about each of the toy's images."""
    return ask_about("asked", lambda label, name: name)
