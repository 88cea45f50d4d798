"""Odd images through every door: each is decoded as a viewer shows it, or refused by an error that names it."""

import contextlib
import json
import os
import random
import re
import subprocess
import sys
import warnings

import aape_lightning
import numpy as np
import pytest
import torch
from aape_lightning.__main__ import main
from aape_lightning.callbacks import RunFiles
from aape_lightning.data import ClassificationDataModule, load_manifest
from aape_lightning.data.image_files import class_folders, list_images
from aape_lightning.data.images import open_image
from aape_lightning.data.inspection.check import check_dataset
from aape_lightning.data.transforms import augmentation
from aape_lightning.errors import DataError, ImageError, ManifestError
from aape_lightning.tasks import ClassificationTask
from lightning.pytorch import Trainer
from odd_images import GREY16, NOISE, PALETTE, PICTURE, REFUSED, SHOWN, as_bytes
from PIL import Image

pytestmark = pytest.mark.filterwarnings("ignore:.*could be decompression bomb")


@pytest.fixture
def dataset(tmp_path, tiny_clip):
    """Makes a dataset that is tested on a plain image and on some of others; returns it and its manifest."""

    def make(makers, **changes):
        folder = tmp_path / "odd"
        folder.mkdir()
        PICTURE.save(folder / "plain.png")
        for name, maker in makers.items():
            maker(folder / name)
        rows = [[name, 0, "cat"] for name in ("plain.png", *makers)]
        split = {"train": [["plain.png", 0, "cat"], ["plain.png", 1, "dog"]], "val": [], "test": rows}
        (tmp_path / "split.json").write_text(json.dumps(split))
        manifest = tmp_path / "odd.yaml"
        manifest.write_text("{name: odd, root: ., images: odd, split: {format: coop, file: split.json}}")
        settings = {"backbone": str(tiny_clip), "num_workers": 0, "shots": 0, "cache_dir": str(tmp_path / "cache")}
        return ClassificationDataModule(str(manifest), **settings | changes), manifest

    return make


@pytest.fixture(scope="session")
def classifier(toy_root, tiny_clip, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    data = ClassificationDataModule(
        str(toy_root / "toy.yaml"), str(toy_root), backbone=str(tiny_clip), prompts="llm", shots=1, num_workers=0
    )
    trainer = Trainer(
        accelerator="cpu", max_epochs=2, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[RunFiles(str(folder))], default_root_dir=str(folder),
    )  # fmt: skip
    trainer.fit(ClassificationTask(aggregator_epochs=1), datamodule=data)
    return aape_lightning.load(folder, device="cpu")


@pytest.mark.parametrize("name", SHOWN)
def test_an_odd_image_is_shown_as_pillow_shows_its_first_frame(name, tmp_path):
    SHOWN[name](tmp_path / name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = open_image(tmp_path / name)
    with warnings.catch_warnings(), Image.open(tmp_path / name) as expected:
        warnings.simplefilter("ignore")
        shown = np.asarray(expected.convert("RGB"))
    if name.startswith("sixteen"):
        shown = np.repeat((GREY16 >> 8).astype(np.uint8)[..., None], 3, axis=2)
    assert image.mode == "RGB"
    assert np.array_equal(image, shown)


def test_colours_are_those_that_were_drawn(tmp_path):
    for name in ("turned.png", "moving.png", "profile.png", "exif.png"):
        SHOWN[name](tmp_path / name)
        assert np.array_equal(open_image(tmp_path / name), NOISE)
    SHOWN["palette_alpha.png"](tmp_path / "palette.png")
    assert np.array_equal(open_image(tmp_path / "palette.png"), PALETTE.convert("RGB"))


def test_odd_images_pass_every_door(dataset, classifier, tmp_path, tiny_backbone):
    stored, manifest = dataset(SHOWN)
    stored.setup("test")
    embeddings = stored.whole("test")["image_embedding"]
    assert len(embeddings) == len(SHOWN) + 1
    assert embeddings.isfinite().all()
    fly = ClassificationDataModule(**{name: stored.hparams[name] for name in stored.hparams} | {"store": False})
    fly.setup("test")
    pixels = torch.cat([batch["image"] for batch in fly.test_dataloader()])
    encoded = tiny_backbone.encode_image(tiny_backbone.normalize(pixels))
    torch.testing.assert_close(encoded, embeddings, atol=1e-5, rtol=0)
    assert len(classifier.classify(tmp_path / "odd")) == len(SHOWN) + 1
    checked = check_dataset(load_manifest(str(manifest)), tmp_path)
    assert not [fault for fault in checked.faults if "/odd/" in fault]
    assert [note for note in checked.notes if "EXIF" in note] == [
        "3 of 26 images are to be turned or mirrored, says their EXIF, such as 'turned.jpg'; they are taken as they "
        "are stored, as CLIP and CoOp take them"
    ]


@pytest.mark.parametrize("name", SHOWN)
def test_odd_images_can_be_augmented(name, tmp_path, tiny_backbone):
    SHOWN[name](tmp_path / name)
    size = tiny_backbone.input_size
    assert augmentation(tiny_backbone)(open_image(tmp_path / name)).shape == (3, size, size)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_image_is_named_at_every_door(name, dataset, classifier, tmp_path):
    maker, said = REFUSED[name]
    stored, manifest = dataset({name: maker})
    path = tmp_path / "odd" / name
    named = re.compile(f"{re.escape(str(path))}'.*({said})")
    with pytest.raises(ImageError, match=named):
        open_image(path)
    with pytest.raises(ImageError, match=named):
        stored.setup("test")
    fly = ClassificationDataModule(**{name: stored.hparams[name] for name in stored.hparams} | {"store": False})
    fly.setup("test")
    with pytest.raises(ImageError, match=named):
        list(fly.test_dataloader())
    [fault] = [one for one in check_dataset(load_manifest(str(manifest)), tmp_path).faults if str(path) in one]
    assert named.search(fault)
    if not path.is_dir():  # which a user may hand over, for the images in it
        told = {}
        whole = classifier.classify(tmp_path / "odd", skip=lambda image, error: told.update({image: str(error)}))
        assert whole.images == [str(tmp_path / "odd" / "plain.png")]
        assert named.search(told[str(path)])


def test_a_bomb_takes_no_memory(tmp_path):
    """The limit holds before decoding: a process that may take 128 MiB more refuses all of them."""
    for name in ("bomb.png", "large.png", "strip.png"):
        REFUSED[name][0](tmp_path / name)
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom aape_lightning.data.decoding import decode\n"
        "from PIL import Image\nImage.init()\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**27, used + 2**27))\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n        decode(Path(path))\n    except ValueError as error:\n        print(error)\n"
    )
    paths = [str(tmp_path / name) for name in ("bomb.png", "large.png", "strip.png")]
    ran = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert ran.stdout.count("pixels") == 3, ran.stderr


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF"])
@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes_are_an_image_or_an_image_error(format, tmp_path):
    chance, whole = random.Random(format), as_bytes(format)
    path = tmp_path / "damaged.jpg"
    for _ in range(60):
        content = bytearray(whole[: chance.choice((len(whole), chance.randrange(len(whole))))])
        for _ in range(chance.randrange(1, 6)):
            if content:
                place = chance.randrange(min(len(content), chance.choice((40, len(content)))))
                content[place] = chance.randrange(256)
        path.write_bytes(content)
        with contextlib.suppress(ImageError):
            assert open_image(path).mode == "RGB"


def test_an_open_image_is_held_to_the_same_limits(classifier):
    for image in (Image.new("1", (60_000, 1)), Image.new("F", (9, 9)), Image.new("1", (2**14, 2**13 + 1))):
        with pytest.raises(ImageError, match="The image 'image 1' cannot be read: it"):
            classifier.classify(image)


def test_the_commands_tell_of_both(dataset, tmp_path, capsys):
    dataset({"turned.jpg": SHOWN["turned.jpg"], "pipe.jpg": os.mkfifo})
    assert main(["data", "check", "--manifest", str(tmp_path / "odd.yaml")]) == 1
    printed = capsys.readouterr()
    assert "Note: 1 of 2 images are to be turned" in printed.out
    assert "pipe.jpg' cannot be decoded (it is no regular file)" in printed.err
    assert "Traceback" not in printed.err


def test_a_name_that_is_no_utf8_is_refused_by_name(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    except OSError:
        pytest.skip("the file system takes UTF-8 alone")
    with pytest.raises(DataError, match=r"udce9' is not UTF-8. Rename it"):
        class_folders(tmp_path)
    PICTURE.save(tmp_path / os.fsdecode(b"caf\xe9") / "a.png")
    with pytest.raises(DataError, match=r"udce9/a\.png' is not UTF-8. Rename it"):
        list_images(tmp_path)


def test_a_folder_that_cannot_be_read_is_no_empty_one(tmp_path, monkeypatch):
    (tmp_path / "cat").mkdir()

    def refuse(place):
        raise PermissionError(13, "Permission denied", str(place))

    monkeypatch.setattr(os, "scandir", refuse)
    for read in (class_folders, list_images):
        with pytest.raises(ManifestError, match=r"cannot be read \(Permission denied\)"):
            read(tmp_path)
