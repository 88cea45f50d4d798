import json
import shutil

import pytest
import yaml
from aape_lightning.data import load_caption_manifest
from aape_lightning.data.readers import read_caption_split
from aape_lightning.errors import DataError, ImageError, ManifestError
from aape_lightning.search import images_in, images_of
from PIL import Image


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_images_of_captions_come_with_all_their_captions(part, toy_captions, toy_root):
    images = images_of(str(toy_captions), toy_root, part)
    expected = read_caption_split(load_caption_manifest(str(toy_captions)), toy_root).part(part)
    assert images.paths == [image.path for image in expected]
    assert images.said == [image.captions for image in expected]
    assert images.says == "captions"
    assert images.title == f"Toy captions, {part} ({len(expected)} images)"


def test_images_of_classes_come_with_their_class(toy_root):
    images = images_of(str(toy_root / "toy.yaml"), toy_root)
    split = json.loads((toy_root / "toy" / "split_toy.json").read_text())["test"]
    assert images.paths == [path for path, _, _ in split]
    assert images.said == [(name,) for _, _, name in split]
    assert images.says == "classes"
    assert images.open(images.paths[0]).size == (48, 40)
    assert images.size(images.paths[0]) == (toy_root / "toy" / "images" / images.paths[0]).stat().st_size


def test_a_table_of_classes_may_have_captions(own_toy_root):
    rows = ["path,label,split,caption", "a.png,x,train,one", "b.png,x,test,two"]
    (own_toy_root / "t.csv").write_text("\n".join(rows))
    split = {"format": "csv", "file": "t.csv", "path": "path", "label": "label", "split": "split"}
    (own_toy_root / "t.yaml").write_text(yaml.safe_dump({"name": "t", "split": split | {"captions": ["caption"]}}))
    images = images_of(str(own_toy_root / "t.yaml"), own_toy_root)
    assert (images.paths, images.said, images.says) == (["b.png"], [("two",)], "captions")


def test_an_image_with_several_questions_is_there_once(own_toy_root):
    rows = ["image,question,answer", "b.png,what?,this", "a.png,where?,here", "b.png,who?,she"]
    (own_toy_root / "q.csv").write_text("\n".join(rows))
    described = {"name": "q", "kind": "questions", "split": {"format": "csv", "files": {"test": "q.csv"}}}
    (own_toy_root / "q.yaml").write_text(yaml.safe_dump(described))
    images = images_of(str(own_toy_root / "q.yaml"), own_toy_root)
    assert (images.paths, images.said, images.says) == (["b.png", "a.png"], [(), ()], "nothing")


def test_images_that_are_rendered_are_opened_too():
    images = images_of("shapes", part="val")
    assert images.open(images.paths[-1]).size == (64, 64)
    assert images.size(images.paths[-1]) == 0


def test_a_folder_is_searched_to_the_bottom_in_sorted_order(own_toy_root):
    folder = own_toy_root / "toy" / "images"
    images = images_in(folder)
    assert images.paths == sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    assert images.title == f"{folder} (65 images)"
    assert images.open(images.paths[3]).size == (48, 40)


def test_a_folder_without_images_or_no_folder_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"No folder .*nowhere' to search in \(--images\)"):
        images_in(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(DataError, match=r"\(--images\) and those below it hold no image"):
        images_in(tmp_path)


def test_an_empty_part_names_the_parts_that_there_are(own_toy_root):
    path = own_toy_root / "toy" / "split_toy.json"
    split = json.loads(path.read_text())
    path.write_text(json.dumps(split | {"val": []}))
    with pytest.raises(DataError, match=r"no images in its part 'val'; its parts are train \(30\), val \(0\), test"):
        images_of(str(own_toy_root / "toy.yaml"), own_toy_root, "val")


def test_an_unknown_manifest_gets_a_hint():
    with pytest.raises(ManifestError, match="Did you mean 'flickr8k'"):
        images_of("flicker8k")


def test_an_image_that_searches_is_a_file_or_one_of_the_images(toy_images, toy_root, tmp_path):
    inside = toy_images.find(toy_images.paths[2])
    shutil.copy(toy_root / "toy" / "images" / toy_images.paths[2], tmp_path / "mine.png")
    assert inside.tobytes() == toy_images.find(str(tmp_path / "mine.png")).tobytes()
    with pytest.raises(ImageError, match=r"No image 'gone.png' \(--image\): it is neither a file nor a path in Toy"):
        toy_images.find("gone.png")
    (tmp_path / "torn.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"torn\.png' cannot be decoded"):
        toy_images.find(str(tmp_path / "torn.png"))


def test_links_to_files_that_are_not_there_are_told(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(ImageError, match=r"1 of the images .*--images\) are symbolic links .*: 'b\.png'\. Remove"):
        images_in(tmp_path)
    (tmp_path / "b.png").unlink()
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    assert images_in(tmp_path).paths == ["a.png", "b.png"]
