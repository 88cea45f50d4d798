import random
from pathlib import Path

import pytest
import yaml
from aape_lightning.baselines import ZeroShotTask
from aape_lightning.data import ClassificationDataModule, Item, load_manifest, read_split
from aape_lightning.data.splits import PARTS
from aape_lightning.errors import DataError, ManifestError
from aape_lightning.tasks import ClassificationTask
from PIL import Image

IMAGENET = {"n01440764": "tench", "n02132136": "brown bear", "n04355933": "sunglasses", "n04356056": "sunglasses"}

PACS = ["dog", "elephant", "giraffe", "guitar", "horse", "house", "person"]


@pytest.fixture
def place(tmp_path):
    """Puts empty files into a dataset's folder, in the given order."""

    def put(*paths, root=tmp_path / "birds"):
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        return root

    return put


@pytest.fixture
def read(tmp_path):
    """Reads the dataset by a manifest whose split is of folders."""

    def split(root, class_names=None, **source):
        content = {"name": "birds", "title": "Birds", "root": str(root), "split": {"format": "folders"} | source}
        content |= {} if class_names is None else {"class_names": class_names}
        (tmp_path / "birds.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        return read_split(load_manifest(str(tmp_path / "birds.yaml")), root)

    return split


def paths_of(*classes, count=10, before=""):
    return [f"{before}{name}/{k:02d}.jpg" for name in classes for k in range(count)]


def every(split):
    return [item for part in PARTS for item in split.part(part)]


# ---- what is listed ------------------------------------------------------------------------------------------------


def test_the_order_of_the_file_system_does_not_matter(place, read, tmp_path):
    paths = [*paths_of("owl", "Wren", "crow"), "owl/young/00.jpg", "owl/young-1.jpg"]
    shuffled = random.Random(0).sample(paths, len(paths))
    one = place(*paths, root=tmp_path / "one")
    for name, order in (("two", paths[::-1]), ("three", shuffled)):
        assert read(place(*order, root=tmp_path / name), cut={}) == read(one, cut={})


def test_classes_are_the_sorted_folders_and_items_lie_in_them(place, read):
    split = read(place(*paths_of("owl", "Wren", "crow")), parts={"train": "."})
    assert split.class_names == ["Wren", "crow", "owl"]
    assert split.train == [Item(path, label) for label, name in enumerate(split.class_names) for path in paths_of(name)]
    assert (split.val, split.test) == ([], [])


def test_only_images_are_listed_whatever_their_case_and_depth(place, read):
    kept = ["owl/a.JPG", "owl/b.Jpeg", "owl/deep/er/c.png", "owl/d e.webp", "owl/é.tiff"]
    left = [
        "owl/.hidden.jpg", "owl/.cache/x.jpg", "owl/README.txt", "owl/a.jpg.part", "owl/jpg", "owl/Thumbs.db",
        ".git/x.jpg", "README.txt", "labels.csv", "loose.jpg",
    ]  # fmt: skip
    split = read(place(*kept, *left), parts={"train": "."})
    assert split.class_names == ["owl"]
    assert sorted(item.path for item in split.train) == sorted(kept)


def test_a_cut_is_coops_with_one_generator_over_classes_in_label_order(place, read):
    names, generator, expected = ["ant", "bee", "cat"], random.Random(3), {part: [] for part in PARTS}
    sizes = dict(zip(names, (10, 7, 12), strict=True))
    root = place(*(path for name in names for path in paths_of(name, count=sizes[name])))
    for label, name in enumerate(names):
        paths = paths_of(name, count=sizes[name])
        generator.shuffle(paths)
        train = round(len(paths) * 0.5)
        ends = (train, train + round(len(paths) * 0.2))
        for part, piece in zip(PARTS, (paths[: ends[0]], paths[slice(*ends)], paths[ends[1] :]), strict=True):
            expected[part] += [Item(path, label) for path in piece]
    split = read(root, cut={"seed": 3})
    assert {part: split.part(part) for part in PARTS} == expected


def test_a_class_too_small_to_be_cut_is_an_error_that_names_it(place, read):
    with pytest.raises(DataError, match=r"'owl/00\.jpg' \(label 1\) has 1 images, too few to be cut into 0\.5"):
        read(place(*paths_of("crow"), *paths_of("owl", count=1)), cut={})


# ---- parts ---------------------------------------------------------------------------------------------------------


def test_parts_lie_in_folders(place, read):
    paths = {part: paths_of("owl", "crow", before=f"{part}/") for part in PARTS}
    split = read(place(*(path for part in paths.values() for path in part)), parts={part: part for part in PARTS})
    assert split.class_names == ["crow", "owl"]
    for part in PARTS:
        assert split.part(part) == [Item(path, label) for label, n in ((0, "crow"), (1, "owl"))
                                    for path in paths[part] if f"/{n}/" in path]  # fmt: skip


def test_a_cut_of_train_leaves_the_test_folder_alone(place, read):
    train, test = paths_of("crow", "owl", count=5, before="train/"), paths_of("crow", "owl", before="held/out/")
    root = place(*train, *test)
    split = read(root, parts={"train": "train", "test": "held/out"}, cut={"train": 0.5, "val": 0.5})
    assert [item.path for item in split.test] == test
    assert sorted(item.path for item in split.train + split.val) == train
    assert (len(split.train), len(split.val)) == (4, 6)


def test_a_cut_adds_to_the_validation_folder(place, read):
    root = place(*paths_of("crow", before="train/"), *paths_of("crow", count=2, before="val/"))
    split = read(root, parts={"train": "train", "val": "val"}, cut={"train": 0.7, "val": 0})
    assert (len(split.train), len(split.val), len(split.test)) == (7, 2, 3)
    assert all(item.path.startswith("val/") for item in split.val)
    assert all(item.path.startswith("train/") for item in split.test)


def test_a_part_without_images_is_an_error_that_names_its_folder(place, read):
    root = place(*paths_of("crow", before="train/"), "test/crow/README.txt")
    with pytest.raises(DataError, match=r"Birds: there is no image in the class folders of '.*birds/test'"):
        read(root, parts={"train": "train", "test": "test"})


def test_a_part_without_a_folder_is_an_error_that_names_it(place, read):
    with pytest.raises(ManifestError, match=r"No folder '.*birds/test'"):
        read(place(*paths_of("crow", before="train/")), parts={"train": "train", "test": "test"})


# ---- keys and names ------------------------------------------------------------------------------------------------


def test_wordnet_ids_are_keys_and_words_are_names(place, read):
    root = place(*paths_of(*IMAGENET, before="train/"), *paths_of(*IMAGENET, count=2, before="val/"))
    split = read(root, IMAGENET, parts={"train": "train", "test": "val"})
    assert split.class_names == ["tench", "brown bear", "sunglasses", "sunglasses"]
    for part, count in (("train", 10), ("test", 2)):
        for label, key in enumerate(IMAGENET):
            assert [item.label for item in split.part(part) if key in item.path] == [label] * count


def test_labels_follow_the_manifest_and_not_the_alphabet(place, read):
    split = read(place(*paths_of("a", "b", "c")), {"c": "sea", "a": "ay", "b": "bee"}, parts={"train": "."})
    assert split.class_names == ["sea", "ay", "bee"]
    assert [item.path[0] for item in split.train[::10]] == ["c", "a", "b"]


def test_names_alone_are_those_of_the_sorted_folders(place, read):
    root = place(*paths_of("b", "a"))
    (root.parent / "names.txt").write_text("a alpha\nb beta\n")
    assert read(root, "names.txt", cut={}).class_names == ["alpha", "beta"]
    assert read(root, ["alpha", "beta"], cut={}).class_names == ["alpha", "beta"]
    with pytest.raises(ManifestError, match="has 3 class names, and there are 2 class folders"):
        read(root, ["alpha", "beta", "gamma"], cut={})


def test_numbered_folders_are_labels_and_10_does_not_come_before_2(place, read):
    names = {f"n{k:02d}": f"class {k}" for k in range(12)}
    root = place(*paths_of(*map(str, range(12)), count=2))
    split = read(root, names, parts={"test": "."}, numbered=True)
    assert split.class_names == list(names.values())
    assert [(item.path.split("/")[0], item.label) for item in split.test[::2]] == [(str(k), k) for k in range(12)]


@pytest.mark.parametrize("numbered", [False, True])
def test_missing_folders_are_an_error_with_the_closest(numbered, place, read):
    names = {"owl": "owl", "crow": "crow", "wren": "wren"}
    root = place(*paths_of(*(["0", "2"] if numbered else ["owl", "crows"])))
    missing = "1 of 3 classes have no folder in .*: '1'" if numbered else "2 of 3 .*: 'crow', 'wren'.*mean 'crows'"
    with pytest.raises(ManifestError, match=f"Birds: {missing}"):
        read(root, names, parts={"test": "."}, numbered=numbered)


def test_unknown_folders_are_an_error_with_the_closest(place, read):
    message = r"holds 2 folders that are no class: 'crows', 'owls'\. Did you mean 'crow'\?.*`class_names`"
    with pytest.raises(ManifestError, match=message):
        read(place(*paths_of("crow", "owl", "owls", "crows")), {"crow": "crow", "owl": "owl"}, cut={})


def test_a_test_folder_with_other_classes_is_an_error(place, read):
    root = place(*paths_of("crow", "owl", before="train/"), *paths_of("crow", before="test/"))
    for parts in ({"train": "train", "test": "test"}, {"test": "test", "train": "train"}):
        with pytest.raises(ManifestError, match=r"1 of 2 classes have no folder in '.*test': 'owl'"):
            read(root, parts=parts)


def test_a_split_file_is_no_use(place, tmp_path):
    (tmp_path / "birds.yaml").write_text("{name: birds, split: {format: folders, cut: {}}}")
    manifest = load_manifest(str(tmp_path / "birds.yaml"))
    with pytest.raises(ManifestError, match=r"birds is split by its folders; --split-file 'a\.json' is no use"):
        read_split(manifest, place(*paths_of("crow")), Path("a.json"))


# ---- the manifests that ship ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("images", ["imagenet/images", "imagenet", "ImageNet/images"])
def test_imagenet_is_read_in_coops_layout_and_in_its_own(images, place, tmp_path):
    manifest = load_manifest("imagenet")
    paths = [f"{folder}/{key}/{key}_1.JPEG" for folder in ("train", "val") for key in manifest.class_names]
    place(*paths, root=tmp_path / images)
    split = read_split(manifest, tmp_path)
    assert [item.label for item in split.train] == [item.label for item in split.test] == list(range(1000))
    assert split.train[999].path == "train/n15075141/n15075141_1.JPEG"
    assert split.class_names[999] == "toilet paper"


def test_imagenetv2_is_read_by_its_numbers(place, tmp_path):
    manifest = load_manifest("imagenetv2")
    folder = tmp_path / "imagenetv2" / "imagenetv2-matched-frequency-format-val"
    place(*(f"{label}/x.jpeg" for label in range(1000)), root=folder)
    split = read_split(manifest, tmp_path)
    assert [item.path for item in split.test] == [f"{label}/x.jpeg" for label in range(1000)]
    assert split.class_names == read_names(load_manifest("imagenet"))


def read_names(manifest):
    return list(manifest.class_names.values())


# ---- two classes of one name ---------------------------------------------------------------------------------------


@pytest.fixture
def doubled(tmp_path, tiny_clip):
    """Makes a DataModule of four classes of which two are called alike, each of a colour of its own."""
    for (key, _), colour in zip(IMAGENET.items(), ("red", "green", "blue", "white"), strict=True):
        for part, count in (("train", 3), ("val", 2)):
            for k in range(count):
                path = tmp_path / "birds" / part / key / f"{k}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (40 + k, 40), colour).save(path)
    split = {"format": "folders", "parts": {"train": "train", "test": "val"}}
    content = {"name": "birds", "root": "birds", "split": split, "class_names": IMAGENET}
    (tmp_path / "birds.yaml").write_text(yaml.safe_dump(content, sort_keys=False))

    def make(**changes):
        settings = {"backbone": str(tiny_clip), "prompts": "templates", "shots": 2, "batch_size": 4, "num_workers": 0}
        return ClassificationDataModule(str(tmp_path / "birds.yaml"), **settings | changes)

    return make


def test_zero_shot_keeps_both_labels(doubled, quiet_trainer):
    data = doubled()
    batches = quiet_trainer().predict(ZeroShotTask(), datamodule=data)
    assert data.class_names == ["tench", "brown bear", "sunglasses", "sunglasses"]
    assert [item.label for item in data.test_items()] == [0, 0, 1, 1, 2, 2, 3, 3]
    probabilities = batches[0]["probabilities"]
    assert probabilities.shape == (8, 4)
    assert probabilities[:, 2].tolist() == probabilities[:, 3].tolist()


@pytest.mark.parametrize("class_text", ["a photo of a {}.", "prompts"])
def test_aape_trains_with_both_labels(class_text, doubled, quiet_trainer):
    data, task, trainer = doubled(class_text=class_text), ClassificationTask(aggregator_epochs=1), quiet_trainer()
    trainer.fit(task, datamodule=data)
    assert sorted(item.label for item in data._parts["train"].items) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert data.bank.keys == data.class_names
    [metrics] = trainer.test(task, datamodule=data, verbose=False)
    assert 0 <= metrics["test/accuracy"] <= 1


# ---- real folders --------------------------------------------------------------------------------------------------


@pytest.mark.shared_data
@pytest.mark.parametrize("domain", ["photo", "art_painting", "cartoon", "sketch"])
def test_a_domain_of_pacs_is_cut_as_a_source_and_whole_as_a_target(domain, shared_data):
    on_disk = sorted(
        str(path.relative_to(shared_data / "pacs" / domain)) for path in (shared_data / "pacs" / domain).glob("*/*")
    )
    source = read_split(load_manifest(f"pacs/{domain}"), shared_data)
    target = read_split(load_manifest(f"pacs/{domain}:target"), shared_data)
    assert source.class_names == target.class_names == PACS
    assert sorted(item.path for item in every(source)) == on_disk
    assert len({item.path for item in every(source)}) == len(on_disk)
    assert (target.train, target.val) == ([], [])
    assert [item.path for item in target.test] == on_disk
    for item in every(source) + every(target):
        assert item.path.startswith(f"{source.class_names[item.label]}/")


@pytest.mark.shared_data
def test_the_cut_of_pacs_is_the_plain_one(shared_data):
    generator, expected = random.Random(1), []
    for folder in sorted(path for path in (shared_data / "pacs" / "sketch").iterdir() if path.is_dir()):
        paths = sorted(f"{folder.name}/{path.name}" for path in folder.iterdir())
        generator.shuffle(paths)
        expected += paths[: round(len(paths) * 0.5)]
    assert [item.path for item in read_split(load_manifest("pacs/sketch"), shared_data).train] == expected
