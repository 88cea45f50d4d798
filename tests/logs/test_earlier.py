from aape_lightning.cli import main
from aape_lightning.logs import set_earlier_aside


def test_a_new_folder_has_nothing_to_set_aside(tmp_path):
    assert set_earlier_aside(tmp_path / "run") is None
    assert not (tmp_path / "run").exists()


def test_what_earlier_runs_logged_is_kept_each_in_its_own_place(tmp_path):
    for run in ("first", "second"):
        (tmp_path / "tensorboard").mkdir()
        for name in ("metrics.csv", "metrics-1.csv", "tensorboard/events", "config.yaml"):
            (tmp_path / name).write_text(run)
        assert set_earlier_aside(tmp_path) == tmp_path / f"earlier-{('first', 'second').index(run) + 1}"
    held = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    names = ("metrics.csv", "metrics-1.csv", "tensorboard/events")
    of_first = {f"earlier-1/{name}": "first" for name in names}
    assert held == of_first | {f"earlier-2/{name}": "second" for name in names} | {"config.yaml": "second"}


def test_a_fit_that_is_typed_again_begins_anew_and_mixes_nothing(toy_recipe, tmp_path, capsys):
    run = tmp_path / "run"
    for _ in range(2):
        main(["fit", "--config", str(toy_recipe), "--run", str(run), "--trainer.max_epochs", "2"])
    assert (run / "metrics.csv").read_bytes() == (run / "earlier-1" / "metrics.csv").read_bytes()
    assert not list(run.glob("metrics-*.csv"))
    assert len(list((run / "tensorboard").glob("events*"))) == len(
        list((run / "earlier-1" / "tensorboard").glob("events*"))
    )
    assert "holds an earlier run" in capsys.readouterr().err
    assert not list(run.rglob(".*"))
