import json

import pytest
from aape_lightning.data import load_caption_manifest, load_manifest, load_question_manifest
from aape_lightning.data.places import image_folder
from aape_lightning.data.readers.captions import read_caption_split
from aape_lightning.data.readers.questions import read_question_split
from aape_lightning.data.splits import PARTS
from aape_lightning.errors import ManifestError

CAPTIONS = ("coco", "flickr30k", "flickr8k", "nocaps")
QUESTIONS = ("daquar", "vqav2")


@pytest.mark.parametrize("name", CAPTIONS + QUESTIONS)
def test_every_one_says_what_it_is_and_where_to_get_it(name):
    manifest = load_caption_manifest(name) if name in CAPTIONS else load_question_manifest(name)
    assert manifest.name == name
    assert manifest.licence
    assert "https://" in manifest.source
    assert manifest.folder
    assert manifest.counts.test > 0


@pytest.mark.parametrize("name", CAPTIONS)
def test_captions_are_several_an_image(name):
    counts = load_caption_manifest(name).counts
    assert 5 <= counts.captions / (counts.train + counts.val + counts.test) <= 10


@pytest.mark.parametrize("name", CAPTIONS + QUESTIONS)
def test_kinds_are_not_mixed_up(name):
    with pytest.raises(ManifestError, match=f"The manifest '{name}' is of "):
        load_manifest(name)


def put(path, content=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def karpathy(**more):
    return {"images": [{"split": "train", "imgid": 0, "sentences": [{"raw": "A dog."}]} | more]}


@pytest.mark.parametrize(
    ("name", "file", "content", "image"),
    [
        (
            "coco",
            "coco/dataset_coco.json",
            karpathy(filename="COCO_val2014_000000000042.jpg", filepath="val2014", cocoid=42, split="restval"),
            "coco/val2014/COCO_val2014_000000000042.jpg",
        ),
        (
            "coco",
            "COCO/annotations/dataset_coco.json",
            karpathy(filename="COCO_train2014_000000000009.jpg", filepath="train2014", cocoid=9),
            "COCO/images/train2014/COCO_train2014_000000000009.jpg",
        ),
        (
            "flickr30k",
            "flickr30k/dataset_flickr30k.json",
            karpathy(filename="1000092795.jpg"),
            "flickr30k/flickr30k-images/1000092795.jpg",
        ),
        (
            "flickr30k",
            "flickr30k_images/dataset_flickr30k.json",
            karpathy(filename="1000092795.jpg"),
            "flickr30k_images/flickr30k_images/1000092795.jpg",
        ),
        (
            "flickr8k",
            "Flickr8k/dataset_flickr8k.json",
            karpathy(filename="1000268201_693b08cb0e.jpg"),
            "Flickr8k/Flicker8k_Dataset/1000268201_693b08cb0e.jpg",
        ),
        (
            "flickr8k",
            "flickr8k/dataset_flickr8k.json",
            karpathy(filename="1000268201_693b08cb0e.jpg"),
            "flickr8k/Images/1000268201_693b08cb0e.jpg",
        ),
        (
            "nocaps",
            "nocaps/annotations/nocaps_val_4500_captions.json",
            {
                "licenses": [],
                "images": [{"id": 0, "open_images_id": "0013ea2087020901", "file_name": "0013ea2087020901.jpg"}],
                "annotations": [{"image_id": 0, "id": k, "caption": f"A baby {k}."} for k in range(10)],
            },
            "nocaps/validation/0013ea2087020901.jpg",
        ),
    ],
)
def test_captions_are_found_where_the_archives_put_them(name, file, content, image, tmp_path):
    put(tmp_path / file, content)
    put(tmp_path / image)
    manifest = load_caption_manifest(name)
    parts = read_caption_split(manifest, tmp_path)
    (found,) = [image for part in PARTS for image in parts.part(part)]
    assert (image_folder(manifest, tmp_path) / found.path).samefile(tmp_path / image)


@pytest.mark.parametrize("coco", ["vqav2", "coco", "coco/images", "vqav2/Images/mscoco"])
@pytest.mark.parametrize("folders", [("", ""), ("Questions/", "Annotations/")])
def test_vqa_finds_its_files_and_cocos_images(coco, folders, tmp_path):
    for part in ("train", "val"):
        questions = {"questions": [{"image_id": 9, "question": "What?", "question_id": 9000}]}
        answers = [{"answer": "a dog", "answer_id": k} for k in range(10)]
        annotations = {"annotations": [{"question_id": 9000, "image_id": 9, "answers": answers}]}
        put(tmp_path / "vqav2" / f"{folders[0]}v2_OpenEnded_mscoco_{part}2014_questions.json", questions)
        put(tmp_path / "vqav2" / f"{folders[1]}v2_mscoco_{part}2014_annotations.json", annotations)
        put(tmp_path / coco / f"{part}2014" / f"COCO_{part}2014_000000000009.jpg")
    manifest = load_question_manifest("vqav2")
    parts = read_question_split(manifest, tmp_path)
    assert parts.test[0].answers == ("a dog",) * 10
    assert parts.val == []
    for question in parts.train + parts.test:
        assert (image_folder(manifest, tmp_path) / question.path).is_file()
