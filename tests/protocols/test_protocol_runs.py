import dataclasses
import json

import pytest
import yaml
from aape_lightning.__main__ import main
from aape_lightning.errors import ResultError
from aape_lightning.protocols.examples import EXAMPLES_FILE, read_examples
from aape_lightning.protocols.results import RESULT_FILE, Result
from aape_lightning.runner import job as running
from aape_lightning.runner import request as asking
from aape_lightning.runner.run import FAILED_FILE


@pytest.fixture(scope="module")
def captions_recipe(toy_root, toy_captions, tiny_clip, tmp_path_factory):
    recipe = {
        "model": {"class_path": "RetrievalTask", "init_args": {"aggregator_epochs": 1}},
        "data": {
            "class_path": "RetrievalDataModule",
            "init_args": {
                "manifest": str(toy_captions), "root": str(toy_root), "backbone": str(tiny_clip), "batch_size": 8,
                "num_workers": 0,
            },
        },
        "trainer": {"max_epochs": 2, "accelerator": "cpu"},
    }  # fmt: skip
    path = tmp_path_factory.mktemp("recipe") / "toy_retrieval.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def arguments(recipe, out, *more, methods=("clip-retrieval", "aape-retrieval"), seeds=(1, 2)):
    chosen = [word for method in methods for word in ("--method", method)]
    words = ["protocol", "train-test", "--recipe", recipe, *chosen, "--seeds", *seeds, "--out", out, *more]
    return [str(word) for word in words]


def files(out, name):
    jobs = out / "toy_retrieval"
    return {path.parent.relative_to(jobs).as_posix(): path.stat().st_mtime_ns for path in out.rglob(name)}


@pytest.fixture
def stopping(monkeypatch):
    """Replaces what a job of the train-test protocol measures by an error, for the tasks of one class."""

    def stop(error, of_task):
        find = asking.find_protocol

        def found(name, **more):
            protocol = find(name, **more)

            def measure(task, data, trainer):
                if type(task).__name__ == of_task:
                    raise error
                return protocol.measure(task, data, trainer)

            return dataclasses.replace(protocol, measure=measure)

        monkeypatch.setattr(asking, "find_protocol", found)

    return stop


def test_it_goes_from_images_to_a_report_with_a_gallery(captions_recipe, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(arguments(captions_recipe, out, "--report")) == 0
    printed = capsys.readouterr().out
    assert "Text to image" in printed
    assert f"Report: {out / 'report.html'}" in printed
    jobs = {f"{method}/seed{seed}" for method in ("clip-retrieval", "aape-retrieval") for seed in (1, 2)}
    assert set(files(out, RESULT_FILE)) == set(files(out, EXAMPLES_FILE)) == jobs
    result = Result.read(out / "toy_retrieval/aape-retrieval/seed2" / RESULT_FILE)
    assert (result.protocol, result.recipe, result.method, result.seed) == (
        "train-test", "toy_retrieval", "aape-retrieval", 2,
    )  # fmt: skip
    measures = ("recall@1", "recall@5", "recall@10", "median_rank")
    names = {f"{way}/{measure}" for way in ("image_to_text", "text_to_image") for measure in measures}
    assert set(result.metrics) == names
    assert result.config["seed_everything"] == result.config["data"]["init_args"]["seed"] == 2
    page = (out / "report.html").read_text()
    assert page.count("data:image/jpeg") > 8
    assert "could not be opened" not in page


def test_every_method_and_seed_shows_the_same_examples(captions_recipe, tmp_path):
    out = tmp_path / "out"
    assert main(arguments(captions_recipe, out)) == 0
    shown = [
        [(example.image, example.query) for example in read_examples(path).examples]
        for path in out.rglob(EXAMPLES_FILE)
    ]
    assert len(shown) == 4
    assert all(examples == shown[0] for examples in shown)


def test_running_it_again_does_only_what_is_missing_or_changed(captions_recipe, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(arguments(captions_recipe, out)) == 0
    before = files(out, RESULT_FILE) | {f"{job}!": time for job, time in files(out, EXAMPLES_FILE).items()}
    (out / "toy_retrieval/aape-retrieval/seed2" / RESULT_FILE).unlink()
    assert main(arguments(captions_recipe, out)) == 0
    after = files(out, RESULT_FILE) | {f"{job}!": time for job, time in files(out, EXAMPLES_FILE).items()}
    assert {name for name in after if after[name] != before[name]} == {"aape-retrieval/seed2", "aape-retrieval/seed2!"}
    assert main(arguments(captions_recipe, out, "--model.lr", "0.001", seeds=[1])) == 0
    assert files(out, RESULT_FILE)["aape-retrieval/seed1"] != after["aape-retrieval/seed1"]
    assert files(out, RESULT_FILE)["clip-retrieval/seed1"] == after["clip-retrieval/seed1"]


def test_results_of_another_protocol_are_not_overwritten(captions_recipe, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(arguments(captions_recipe, out, methods=["clip-retrieval"], seeds=[1])) == 0
    before = files(out, RESULT_FILE)
    words = arguments(captions_recipe, out, methods=["clip-retrieval"], seeds=[1])
    assert main([word.replace("train-test", "base-to-new") for word in words]) == 1
    told = capsys.readouterr().err
    assert (
        "holds results of train-test, such as 'toy_retrieval/clip-retrieval/seed1'. Give base-to-new a folder" in told
    )
    assert files(out, RESULT_FILE) == before


def test_an_interrupted_protocol_leaves_complete_results_alone(captions_recipe, tmp_path, stopping):
    stopping(KeyboardInterrupt(), "RetrievalTask")
    with pytest.raises(SystemExit) as stop:
        main(arguments(captions_recipe, tmp_path / "out"))
    assert stop.value.code == 130
    assert set(files(tmp_path / "out", RESULT_FILE)) == {"clip-retrieval/seed1"}
    assert set(files(tmp_path / "out", EXAMPLES_FILE)) == {"clip-retrieval/seed1"}


def test_a_failed_job_does_not_stop_the_others(captions_recipe, tmp_path, capsys, stopping):
    stopping(ResultError("it went wrong"), "ZeroShotRetrievalTask")
    assert main(arguments(captions_recipe, tmp_path / "out")) == 1
    told = capsys.readouterr()
    assert "2 of 4 jobs failed" in told.err
    assert told.err.count("it went wrong") == 1  # once for both jobs, which it names
    assert told.err.count("clip-retrieval, seed") == 2
    assert "Text to image" in told.out
    assert set(files(tmp_path / "out", RESULT_FILE)) == {"aape-retrieval/seed1", "aape-retrieval/seed2"}


def test_no_result_stands_without_its_examples(captions_recipe, tmp_path, monkeypatch):
    out = tmp_path / "out"
    words = arguments(captions_recipe, out, methods=["clip-retrieval"], seeds=[1])
    assert main(words) == 0
    monkeypatch.setattr(
        running, "write_examples", lambda folder, examples: (_ for _ in ()).throw(OSError(28, "full", "x"))
    )
    assert main([*words, "--data.batch_size", "9"]) == 1
    assert files(out, RESULT_FILE) == files(out, EXAMPLES_FILE) == {}


def test_a_task_without_examples_removes_those_of_an_earlier_run(captions_recipe, tmp_path, monkeypatch):
    out = tmp_path / "out"
    words = arguments(captions_recipe, out, methods=["clip-retrieval"], seeds=[1])
    assert main(words) == 0
    monkeypatch.setattr(running, "kept_examples", lambda task, data: None)
    assert main([*words, "--data.batch_size", "9"]) == 0
    assert files(out, EXAMPLES_FILE) == {}
    assert set(files(out, RESULT_FILE)) == {"clip-retrieval/seed1"}


def test_a_fault_of_our_own_fails_its_job_alone_and_leaves_its_traceback(captions_recipe, tmp_path, capsys, stopping):
    out = tmp_path / "out"
    stopping(ZeroDivisionError("a bug"), "RetrievalTask")
    assert main(arguments(captions_recipe, out, seeds=[1])) == 1
    told = capsys.readouterr().err
    log = out / "toy_retrieval/aape-retrieval/seed1" / FAILED_FILE
    assert f"ZeroDivisionError: a bug (traceback in {str(log)!r})" in told
    assert "raise error" in log.read_text()
    assert set(files(out, RESULT_FILE)) == {"clip-retrieval/seed1"}


def test_a_malformed_result_fails_its_job_alone(captions_recipe, tmp_path, capsys):
    out = tmp_path / "out"
    place = out / "toy_retrieval" / "clip-retrieval" / "seed1"
    place.mkdir(parents=True)
    (place / RESULT_FILE).write_text(json.dumps({"method": "clip-retrieval"}))
    assert main(arguments(captions_recipe, out, seeds=[1])) == 1
    assert "is not a result file" in capsys.readouterr().err
    assert set(files(out, RESULT_FILE)) == {"clip-retrieval/seed1", "aape-retrieval/seed1"}
