"""The door: exit codes, `--quiet` anywhere, what is said without a command, and what is misspelt."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from aape_lightning.__main__ import main
from aape_lightning.commands import cache
from aape_lightning.commands.exits import Exit, exit_code_of, leaving_on_sigterm
from aape_lightning.errors import DataError
from aape_lightning.messages import is_quiet, set_quiet


@pytest.fixture
def refused(capsys):
    """What is said of wrong usage."""

    def run(typed: str) -> str:
        with pytest.raises(SystemExit) as stop:
            main(typed.split())
        assert stop.value.code == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        return captured.err

    return run


@pytest.fixture
def command(monkeypatch):
    """`aape info`, with its work replaced."""

    def run(work):
        monkeypatch.setattr("aape_lightning.commands.info.run_info", lambda options: work())
        return main(["info"])

    return run


# ---- what is misspelt ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("fti", "no command 'fti'. Did you mean 'fit'?"),
        ("train", "Did you mean 'fit'?"),
        ("evaluate", "Did you mean 'test'?"),
        ("clasify", "Did you mean 'classify'?"),
        ("data lst", "no command 'lst'. Did you mean 'list'?"),
        ("protocol base-to-nwe", "Did you mean 'base-to-new'?"),
        ("cache cler", "Did you mean 'clear'?"),
        ("fit --confg shapes", "no option '--confg'. Did you mean '--config'?"),
        ("fit --recpie shapes", "no option '--recpie'. Did you mean '--config'?"),
        ("fit --config shapes --backbone ViT-B/16", "no option '--backbone'. Did you mean '--data.backbone'?"),
        ("fit --modle.lr 1", "no option '--modle.lr'. Did you mean '--model.lr'?"),
        ("cache build --recpie shapes", "no option '--recpie'. Did you mean '--recipe'?"),
        ("protocol base-to-new --method aape --recpie=shapes", "Did you mean '--recipe'?"),
        ("protocol base-to-new --dta.shots 4", "no option '--dta.shots'."),
        ("data check --manifset caltech101", "Did you mean '--manifest'?"),
        ("cache clear --kind feature", "invalid choice: 'feature'. Did you mean 'features'?"),
        ("completion bsh", "Did you mean 'bash'?"),
    ],
)
def test_did_you_mean(typed, hint, refused):
    told = refused(typed)
    assert hint in told
    assert told.startswith("usage: aape")
    assert "\nSee: aape " in told


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("fit --config caltec101", "No recipe 'caltec101'. Did you mean 'caltech101'?"),
        ("cache build --recipe shpes", "No recipe 'shpes'. Did you mean 'shapes'?"),
        ("data check --manifest caltech01", "No manifest 'caltech01'. Did you mean 'caltech101'?"),
        ("protocol run lambdaa --out o", "No written protocol 'lambdaa'. Did you mean 'lambda'?"),
        (
            "protocol base-to-new --recipe shapes --method appe --out o",
            "No method 'appe'. Did you mean 'aape'?",
        ),
    ],
)
def test_a_misspelt_name_is_an_error_with_a_hint(typed, hint, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(typed.split()) == Exit.ERROR
    assert f"aape: error: {hint}" in capsys.readouterr().err


def test_a_misspelt_recipe_of_fit_is_told_before_anything_is_imported():
    code = (
        "import sys\nfrom aape_lightning.__main__ import main\nassert main(['fit', '--config', 'shpes']) == 1\n"
        "print(sorted({'torch', 'lightning'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_an_option_before_the_command_is_told_where_it_belongs(refused):
    assert "'--recipe' stands where a command must be named first: build, list, clear." in refused("cache --recipe x")


def test_an_argument_too_many_is_told_of_its_command(refused):
    told = refused("data list caltech101")
    assert told.startswith("usage: aape data list")
    assert "unrecognized arguments: caltech101." in told


# ---- help ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "begins"),
    [
        ("", "usage: aape COMMAND"),
        ("help", "usage: aape COMMAND"),
        ("data", "usage: aape data"),
        ("help data check", "usage: aape data check"),
        ("fit", "usage: aape fit"),
        ("test -h", "usage: aape test"),
    ],
)
def test_without_a_command_there_is_help(typed, begins, capsys):
    with pytest.raises(SystemExit) as stop:
        main(typed.split())
    assert stop.value.code == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(begins)
    assert captured.err == ""


# ---- --quiet -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["--quiet data list", "data --quiet list", "data list --quiet"])
def test_quiet_may_stand_anywhere_and_holds_for_one_command(typed, capsys, monkeypatch):
    monkeypatch.setattr("aape_lightning.commands.data.list.run_list", lambda options: print(is_quiet()))
    try:
        assert main(typed.split()) == Exit.DONE
        assert main(["data", "list"]) == Exit.DONE
    finally:
        set_quiet(False)
    assert capsys.readouterr().out.split() == ["True", "False"]


def test_behind_two_dashes_it_is_a_key_of_the_recipe(monkeypatch):
    seen = []
    monkeypatch.setattr(cache.build, "run_build", lambda options: seen.append((options.overrides, is_quiet())))
    assert main(["cache", "build", "--recipe", "r", "--", "--quiet"]) == Exit.DONE
    assert seen == [(["--quiet"], False)]


# ---- exit codes ----------------------------------------------------------------------------------------------------


def interrupted():
    raise KeyboardInterrupt


def interrupted_in_training():
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise SystemExit(1)  # noqa: B904 - as Lightning does


def terminated_in_training():
    from lightning.pytorch.utilities.exceptions import SIGTERMException

    raise SIGTERMException


def wrong():
    raise DataError("There is no such thing.")


def not_there():
    Path("/no/such/file").read_text()


@pytest.mark.parametrize(
    ("work", "code", "told"),
    [
        (lambda: None, 0, ""),
        (wrong, 1, "aape: error: There is no such thing.\n"),
        (not_there, 1, "aape: error: '/no/such/file': No such file or directory."),
        (interrupted, 130, "aape: interrupted.\n"),
        (interrupted_in_training, 130, "aape: interrupted.\n"),
        (terminated_in_training, 143, "aape: terminated.\n"),
    ],
)
def test_exit_codes(work, code, told, command, capsys):
    assert command(work) == code
    captured = capsys.readouterr()
    assert (captured.err.startswith(told), captured.err.count("\n")) == (True, bool(told))


def test_a_commands_own_exit_code_is_its_own(command):
    with pytest.raises(SystemExit, match="3"):
        command(lambda: sys.exit(3))


def test_a_fault_of_ours_keeps_its_traceback(command):
    with pytest.raises(ZeroDivisionError):
        command(lambda: 1 / 0)


def test_the_codes_are_told_in_the_help(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert all(f"\n  {code.value} " in told for code in Exit)


LEFT_BY_RICH = """
def work():
    try:
        raise BrokenPipeError
    except BrokenPipeError:
        sys.exit(1)
"""


@pytest.mark.parametrize("work", [LEFT_BY_RICH, "def work(): print('x')\n"])
def test_a_reader_that_has_gone_is_no_traceback(work):
    read, write = os.pipe()
    os.close(read)
    code = f"import sys\nfrom aape_lightning.commands.exits import exit_code_of\n{work}sys.exit(exit_code_of(work))"
    done = subprocess.run([sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("arguments", [["data", "list"], ["--help"], ["fit", "--help"]])
def test_a_closed_pipe_behind_a_command(arguments):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "aape_lightning", *arguments]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_sigterm_ends_a_command_after_its_tidying(tmp_path):
    code = (
        "import sys, time, pathlib\nfrom aape_lightning.commands.exits import exit_code_of, leaving_on_sigterm\n"
        "def work():\n    try:\n        print('at work', flush=True)\n        time.sleep(60)\n"
        f"    finally:\n        pathlib.Path({str(tmp_path / 'tidied')!r}).touch()\n"
        "with leaving_on_sigterm():\n    sys.exit(exit_code_of(work))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "at work\n"
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert (process.returncode, errors) == (143, "aape: terminated.\n")
    assert (tmp_path / "tidied").exists()


def test_ctrl_c_ends_a_command_with_a_line():
    # A shell that runs the tests behind an & has them ignore the signal.
    code = (
        "import signal, sys, time\nfrom aape_lightning.commands.exits import exit_code_of\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def work():\n    print('at work', flush=True)\n    time.sleep(60)\nsys.exit(exit_code_of(work))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "at work\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert (process.returncode, errors) == (130, "aape: interrupted.\n")


def test_a_forked_process_is_ended_at_once():
    with leaving_on_sigterm():
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        if not (child := os.fork()):
            os._exit(0 if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_signals_are_left_alone_in_threads_and_under_slurm(monkeypatch):
    seen = []

    def look():
        with leaving_on_sigterm():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    look()
    assert seen == [signal.SIG_DFL] * 2


def test_what_is_printed_last_is_flushed_before_the_end(capfd):
    assert exit_code_of(lambda: print("last")) == 0
    assert capfd.readouterr().out == "last\n"
