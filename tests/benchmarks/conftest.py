"""The `figures` of all benchmarks, and the table that ends `make bench`.

    def test_hot_loop(benchmark, figures):
        times = benchmark.pedantic(in_turns, ({"ours": ours, "bare": bare},), rounds=1)
        figures.add("fit over bare loop, B=256", ratio(times["ours"], times["bare"]), "x", bound=1.5, floor="bare loop")

`figures.add(name, value, unit="", *, bound=None, better="lower", floor="", memory=None)`: `value` is a number or a
`Ratio`; `bound` the most (the least where `better` is "higher") that may be, a pair for both, None where nothing is
asked; `floor` says in words what cannot be undercut; `memory` is a `Peak` or bytes. All figures of a test are kept
before it fails for one outside its bound. They are printed as a table, and written to .benchmarks/table.md and
.benchmarks/figures.json.
"""

import pytest
import torch
from figure_table import Figures, machine, markdown, rich_table, write_json
from measuring import OUTPUT, SMALL

_ROWS = pytest.StashKey[list]()


def pytest_configure(config):
    config.stash[_ROWS] = []


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Benchmarks use all cores, unlike the tests, whose fixture this replaces."""
    return torch.get_num_threads()


@pytest.fixture
def figures(request, benchmark):
    """What a benchmark has found; see above."""
    found = Figures(request.node.name)
    yield found
    benchmark.extra_info.update({row.name: row.value for row in found.rows}, device=machine()["device"])
    request.config.stash[_ROWS].extend(found.rows)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    result = yield
    found = pyfuncitem.funcargs.get("figures")
    if found is not None and not SMALL:
        found.check()
    return result


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    rows = config.stash[_ROWS]
    if not rows:
        return
    about = machine()
    terminalreporter.write_line("")
    for line in rich_table(rows, about, width=max(100, terminalreporter._tw.fullwidth)).splitlines():
        terminalreporter.write_line(line)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "table.md").write_text(markdown(rows, about), encoding="utf-8")
    write_json(OUTPUT / "figures.json", rows, about)
