import re
import shutil
import subprocess

import pytest
from aape_lightning.report import main_tables
from aape_lightning.report.latex import latex_escaped, latex_table
from aape_lightning.report.latex_tables import latex_tables
from synthetic import result, standard, study

NASTY = r"\&%$#_{}~^<>|[*±−×–“”†‡§"


def blocks_of(tex):
    """Rows of cells of each tabular, read back by hand."""
    tables = re.findall(r"\\begin\{tabular\}\{(l r*|lr*)\}(.*?)\\end\{tabular\}", tex, re.S)
    return [
        [line.removesuffix(r" \\").split(" & ") for line in body.splitlines() if " & " in line] for _, body in tables
    ]


def test_rows_bold_and_headings():
    tex = latex_table(
        ["Method", "A", "B"],
        [["x", "1", "2"], ["y", "3", "4"]],
        caption="50% of it",
        label="my label",
        bold={(1, 2)},
        headings={0: "first_one", 1: "second"},
    )
    assert blocks_of(tex) == [[["Method", "A", "B"], ["x", "1", "2"], ["y", "3", r"\textbf{4}"]]]
    assert r"\caption{50\% of it}" in tex
    assert r"\label{tab:my-label}" in tex
    assert r"\begin{tabular}{lrr}" in tex
    assert tex.index(r"\emph{first\_one}") < tex.index("x & 1") < tex.index(r"\emph{second}") < tex.index("y & 3")


@pytest.mark.parametrize("sign", "&%$#_{}")
def test_signs_that_latex_takes_for_its_own(sign):
    assert latex_escaped(f"a{sign}b") == f"a\\{sign}b"


def test_a_cell_cannot_break_out_of_its_row():
    assert latex_escaped("a\nb\t c") == "a b c"
    tex = latex_table(["M", "V"], [["[x]", "1"], ["*", "2"]], caption="", label="l")
    assert "\n[" not in tex
    assert "\n*" not in tex


def test_best_of_ours_is_bold_in_each_block():
    runs = [standard(m, 1, "imagenet", metrics={"base/accuracy": b, "new/accuracy": n}) for m, b, n in
            (("zero-shot", 0.72, 0.68), ("coop", 0.76, 0.6), ("aape", 0.76001, 0.65))]  # fmt: skip
    [rows] = blocks_of(latex_tables(main_tables(runs, "aape")))
    cells = {row[0]: row[1:] for row in rows}
    assert [name for name, row in cells.items() if row[0].startswith(r"\textbf")] == [
        "coop",
        "aape",
    ]  # they print alike
    assert [name for name, row in cells.items() if row[1].startswith(r"\textbf")] == ["zero-shot"]
    assert cells["PromptSRC {[}1]"] == ["77.60", "70.73", "74.01", "--"]  # higher, and not ours


def test_several_datasets_are_blocks_and_the_average_a_float_of_its_own():
    names = [f"set_{number:02}" for number in range(14)]
    tex = latex_tables(main_tables([run for name in names for run in study(name)], "aape"))
    floats = tex.split(r"\begin{table}")[1:]
    assert [part.count(r"\emph") for part in floats] == [1, 11, 3]
    assert "H of averages" in floats[0]
    assert "H of means" in floats[1]
    assert len(set(re.findall(r"\\label\{(.*?)\}", tex))) == 3
    assert all(f"set\\_{number:02}" in tex for number in range(14))


def test_one_method_is_not_bold():
    assert r"\textbf" not in latex_tables(main_tables([result()], "aape"))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_it_compiles(tmp_path):
    runs = [run for name in ("imagenet", "eurosat") for run in study(name)] + [result(NASTY, 1, dataset="imagenet")]
    runs += [standard("coop", 1, "dtd")]
    tex = latex_tables(main_tables(runs, "aape")) + latex_table(
        ["M", NASTY], [[NASTY, "1"]], caption=NASTY, label=NASTY
    )
    document = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n" + tex + "\\end{document}\n"
    (tmp_path / "paper.tex").write_text(document, encoding="utf-8")
    words = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
