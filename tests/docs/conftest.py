"""The folder in which a page's commands run."""

import json
import os
import shutil
import sys

import pytest
from PIL import Image

from docs.running import World

BIRDS = {  # what the pages call the toy dataset's classes
    "red_car": "robin", "Blue_Boat": "blue tit", "green_tree": "greenfinch", "yellow_sun": "yellowhammer",
    "grey_stone": "grey heron",
}  # fmt: skip


def make_photographs(root, folder):
    """The toy dataset as a user's own folder of images, sentences about them, and one photograph."""
    for path in (root / "toy" / "images").rglob("*.png"):
        target = folder / "birds" / BIRDS[path.parent.name] / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    classes = sorted(path.name for path in (folder / "birds").iterdir())
    sentences = {name: [f"A bird that is a {name}.", f"The {name} has {len(name)} marks."] for name in classes}
    (folder / "birds_sentences.json").write_text(json.dumps(sentences))
    Image.open(next((folder / "birds").rglob("*.png"))).convert("RGB").save(folder / "photo.jpg")


@pytest.fixture(scope="module")
def world(tmp_path_factory, toy_root, toy_captions, tiny_clip):
    """A `World` for the pages of a module; the process is left as it was."""
    folder, path, environment = tmp_path_factory.mktemp("page"), list(sys.path), dict(os.environ)
    make_photographs(toy_root, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        os.environ["DATA"] = str(toy_root)
        yield World(folder, toy_root, toy_captions, tiny_clip)
    sys.path[:] = path
    os.environ.clear()
    os.environ.update(environment)
