import json

import pytest
import two_testers
from launching import launch


@pytest.fixture(scope="module")
def together(toy_root, toy_captions, tiny_clip, tmp_path_factory, session_cache):
    """The folders of the runs in two processes, under plain `ddp`."""
    out = tmp_path_factory.mktemp("testers")
    launch(two_testers.__file__, toy_root, tiny_clip, out, 2, cache=session_cache, folder=out)
    return out


@pytest.mark.parametrize("name", two_testers.RUNS)
def test_two_processes_score_what_one_does_each_image_once(name, together, toy_root, tiny_clip):
    first, second = (json.loads((together / name / f"found-{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    task = two_testers.RUNS[name][0].load_from_checkpoint(together / name / "aape.ckpt")
    data, trainer = two_testers.made(name, toy_root, tiny_clip, 1)
    alone = trainer.test(task, datamodule=data, verbose=False)[0]
    assert first["tested"].keys() == alone.keys()
    for metric, value in alone.items():
        assert first["tested"][metric] == pytest.approx(value, abs=1e-5), metric
    assert [e["image"] for e in first["examples"]] == [e["image"] for e in task.examples()]
