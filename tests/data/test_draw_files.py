import json
import os
import pickle
import sys
import types

import pytest
from aape_lightning.__main__ import main
from aape_lightning.data.draw_files import read_draw
from aape_lightning.data.draws import draw
from aape_lightning.data.readers.split import read_coop_split
from aape_lightning.errors import DataError


@pytest.fixture
def split(toy_root):
    return read_coop_split(toy_root / "toy" / "split_toy.json")


@pytest.fixture
def datum():
    """Dassl's class, where its pickles look for it; unknown again afterwards."""
    modules = ["dassl", "dassl.data", "dassl.data.datasets", "dassl.data.datasets.base_dataset"]

    class Datum:
        def __init__(self, impath, label, classname):
            self._impath, self._label, self._domain, self._classname = impath, label, 0, classname

    Datum.__module__, Datum.__qualname__ = modules[-1], "Datum"
    with pytest.MonkeyPatch.context() as patch:
        for name in modules:
            patch.setitem(sys.modules, name, types.ModuleType(name))
        sys.modules[modules[-1]].Datum = Datum
        yield Datum


def pickled(path, drawn, datum, split, root, protocol=pickle.HIGHEST_PROTOCOL):
    parts = {
        part: [datum(f"{root}/{item.path}", item.label, split.class_names[item.label]) for item in items]
        for part, items in (("train", drawn.train), ("val", drawn.val))
    }
    path.write_bytes(pickle.dumps(parts, protocol))


@pytest.mark.parametrize("protocol", [2, 4, pickle.HIGHEST_PROTOCOL])
@pytest.mark.parametrize("root", ["/mnt/old machine/DATA/toy/images", "data/toy/images", "C:\\DATA\\toy\\images"])
def test_coops_pickles_are_read_wherever_they_were_made(root, protocol, split, datum, tmp_path):
    drawn = draw(split, 2, 3)
    pickled(tmp_path / "shot_2-seed_3.pkl", drawn, datum, split, root, protocol)
    assert read_draw(tmp_path / "shot_2-seed_3.pkl", split) == drawn


class Evil:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_pickle_runs_no_code(split, tmp_path):
    path, trace = tmp_path / "evil.pkl", tmp_path / "trace"
    path.write_bytes(pickle.dumps({"train": [Evil(f"touch {trace}")], "val": []}))
    with pytest.raises(DataError, match=r"evil.*system"):
        read_draw(path, split)
    assert not trace.exists()


def test_a_pickle_whose_frames_overlap_is_refused(split, datum, tmp_path):
    # pickle then runs other instructions than were checked: the fuzzer found one that took 5 GB.
    path = tmp_path / "overlapping.pkl"
    pickled(path, draw(split, 2, 3), datum, split, "/mnt", 4)
    content = path.read_bytes()
    assert content[2:3] == pickle.FRAME
    path.write_bytes(content[:12] + content[2:11] + content[12:])
    with pytest.raises(DataError, match="frames begins inside another"):
        read_draw(path, split)


def test_json_goes_out_and_comes_in(split, toy_root, tmp_path, capsys):
    manifest = ["--manifest", str(toy_root / "toy.yaml"), "--root", str(toy_root)]
    assert main(["data", "draw", *manifest, "--shots", "2", "--seed", "1"]) == 0
    printed = capsys.readouterr().out
    (tmp_path / "draw.json").write_text(printed)
    assert read_draw(tmp_path / "draw.json", split) == draw(split, 2, 1)
    assert main(["data", "draw", *manifest, "--from", str(tmp_path / "draw.json")]) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.shared_data
def test_the_published_index_files_are_read(shared_data):
    split = read_coop_split(shared_data / "caltech-101" / "split_zhou_Caltech101.json")
    assert read_draw(shared_data / "draws" / "caltech101" / "shot_4-seed_2.json", split) == draw(split, 4, 2)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"not json", "is not JSON"),
        (b"{}", "KeyError"),
        (b'{"train": 3, "val": []}', "TypeError"),
        (b'{"train": [3], "val": []}', "no path"),
        (b'{"train": [{"path": "a"}], "val": []}', "impath"),
        (b"\x80\x04garbage", "draw"),
    ],
)
@pytest.mark.parametrize("suffix", [".json", ".pkl"])
def test_another_form_is_refused_with_the_files_name(content, named, suffix, split, tmp_path):
    path = tmp_path / f"draw{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"draw{suffix}") as caught:
        read_draw(path, split)
    if suffix == ".json" and content[:1] != b"\x80":
        assert named in str(caught.value)


def test_images_of_another_dataset_are_named(split, tmp_path):
    path = tmp_path / "draw.json"
    path.write_text(json.dumps({"train": ["cats/1.png", split.train[0].path], "val": []}))
    with pytest.raises(DataError, match=r"1 train images .*cats/1\.png"):
        read_draw(path, split)
    with pytest.raises(DataError, match=r"absent\.json"):
        read_draw(tmp_path / "absent.json", split)


def test_a_datamodule_trains_on_a_given_draw(split, toy_data, tmp_path):
    path = tmp_path / "draw.json"
    chosen = [item.path for item in split.train if item.path.endswith(("1.png", "5.png"))]
    path.write_text(json.dumps({"train": chosen, "val": [item.path for item in split.val]}))
    data = toy_data(draw_file=str(path), views=0)
    data.setup("fit")
    assert [item.path for item in data._parts["train"].items] == chosen


def test_draw_says_what_it_needs(toy_root, capsys):
    assert main(["data", "draw", "--manifest", str(toy_root / "toy.yaml"), "--root", str(toy_root)]) == 1
    assert "--shots and --seed, or --from FILE" in capsys.readouterr().err
