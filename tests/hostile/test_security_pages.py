"""Pages of results escape every string that comes from data, and keys of servers are written nowhere."""

import json
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest
from aape_lightning.__main__ import main
from aape_lightning.report import write_report
from aape_lightning.search.index import Hit
from aape_lightning.search.page import render_page
from aape_lightning.search.result import SearchResult
from PIL import Image

from prompts.generation.chat_server import running
from report.html_page import Page
from report.synthetic import trained

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
PLACES = {
    "method": {"method": EVIL.replace("/", "")},
    "dataset": {"dataset": EVIL.replace("/", "")},
    "recipe": {"recipe": EVIL},
    "backbone": {"backbone": {"name": EVIL, "fingerprint": EVIL, "embed_dim": 2, "logit_scale": 1.0}},
    "versions": {"versions": {"python": EVIL, EVIL: EVIL}},
    "date": {"created": EVIL},
    "measured numbers' names": {"diagnostics": {f"attention/{EVIL}": 0.5}, "curves": {f"train/{EVIL}": [1.0, 2.0]}},
    "configuration": {"config": {"model": {"class_path": EVIL, "init_args": {EVIL: EVIL}}, "data": {"init_args": {
        "root": EVIL, "manifest": EVIL, "seed": 1, "shots": EVIL, "prompts": EVIL, "backbone": EVIL}}, "trainer": {}}},
}  # fmt: skip


def harmless(html, scripts):
    page = Page(html)
    assert len(page.attributes("script")) == scripts
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert all(image.get("src", "data:").startswith("data:") for image in page.attributes("img"))
    return page


@pytest.mark.parametrize("changes", PLACES.values(), ids=PLACES)
def test_a_report_escapes_what_results_hold(changes, tmp_path):
    for seed in (1, 2):
        for method in ("aape", "zero-shot"):
            named = {"method": method, "seed": seed + 10 * (method == "aape")} | changes
            trained(**named).write(tmp_path / f"{method}{seed}")
    write_report(tmp_path)
    harmless((tmp_path / "report.html").read_text(), scripts=1)


def test_a_report_escapes_the_name_of_its_folder(tmp_path):
    folder = tmp_path / "<script>alert(1)<" / "img src=x onerror=alert(1)>"
    for method in ("aape", "zero-shot"):
        trained(method).write(folder / method)
    write_report(folder)
    harmless((folder / "report.html").read_text(), scripts=1)


def test_a_page_of_a_search_escapes_what_it_shows():
    for picture in (None, Image.new("RGB", (4, 4))):
        for find in ("images", "captions"):
            hits = [Hit(1, 0.5, EVIL, EVIL)]
            page = render_page(
                SearchResult(EVIL, picture, find, "captions", EVIL, EVIL, hits), lambda path: Image.new("RGB", (4, 4))
            )
            assert EVIL in " ".join(harmless(page, scripts=0).text)


@pytest.mark.enable_socket
@pytest.mark.allow_hosts(["127.0.0.1"])
def test_a_key_is_in_no_file_that_a_run_leaves_and_in_nothing_that_it_says(toy_root, toy_recipe, tmp_path, monkeypatch):
    key = "sk-a-secret-of-the-user-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.chdir(tmp_path)
    sentences, run, said = tmp_path / "sentences.json", tmp_path / "run", StringIO()
    manifest = ["--manifest", str(toy_root / "toy.yaml"), "--root", str(toy_root)]
    fit = ["fit", "--config", str(toy_recipe), "--run", str(run), "--data.prompts", str(sentences)]
    with running() as server, redirect_stdout(said), redirect_stderr(said):
        asked = ["--model", "llm", "--base-url", server.url, "--question", "Describe {}", "--n", "2"]
        assert main(["prompts", "generate", *manifest, "--out", str(sentences), *asked]) == 0
        assert main(fit) == 0, said.getvalue()
        test = ["test", "--config", str(run / "config.yaml"), "--ckpt_path", str(run / "aape.ckpt")]
        assert main([*test, "--run", str(run / "test")]) == 0
        main(["report", str(run)])
    assert set(server.keys) == {f"Bearer {key}"}
    assert len(json.loads(sentences.read_text())) == 5
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"config.yaml", "run.json", "aape.ckpt", "result.json", "sentences.json.journal.jsonl"} <= {
        path.name for path in left
    }
    assert [path for path in left if key.encode() in path.read_bytes()] == []
    assert key not in said.getvalue()
