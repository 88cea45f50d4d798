"""What tests of tasks share: questions about the toy's images."""

import csv
import json

import pytest
import yaml


@pytest.fixture(scope="session")
def toy_questions(toy_root):
    """The manifest of two questions about each of the toy's images."""
    split = json.loads((toy_root / "toy" / "split_toy.json").read_text())
    for part, entries in split.items():
        with (toy_root / "toy" / f"{part}_asked.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["image", "question", "answer"])
            for path, label, name in entries:
                rows.writerow([path, "what is there?", name.lower()])
                rows.writerow([path, "is there a red car?", "no" if label else "yes"])
    manifest = {
        "name": "toy_asked",
        "title": "Toy questions",
        "kind": "questions",
        "folder": ["toy"],
        "images": "images",
        "split": {"format": "csv", "files": {part: f"{part}_asked.csv" for part in split}},
        "licence": "none",
        "source": "made by a test",
    }
    path = toy_root / "toy_asked.yaml"
    path.write_text(yaml.safe_dump(manifest))
    return path
