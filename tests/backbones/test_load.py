import contextlib
import hashlib
import pickle
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from aape_lightning.backbones import Backbone, download, load_backbone
from aape_lightning.backbones.load import MODEL_URLS
from aape_lightning.errors import BackboneNotFoundError

loopback = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]


class Server(ThreadingHTTPServer):
    """Serves one body and counts the requests."""

    daemon_threads = True

    def __init__(self, body, *, status=200, length=None, location="", after=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.status, self.requests = body, status, 0
        self.location, self.after = location, after
        self.length = str(len(body)) if length is None else length

    @property
    def base(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests += 1
        self.send_response(self.server.status)
        if self.server.length:
            self.send_header("Content-Length", self.server.length)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.end_headers()
        self.wfile.write(self.server.body)
        self.wfile.flush()
        if self.server.after:
            with contextlib.suppress(OSError):
                self.server.after(self.wfile)

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    """Starts a server; keywords as `Server`'s."""
    running = []

    def start(body, **settings):
        server = Server(body, **settings)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """clip-anytorch's folder of downloads, in a home of the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / ".cache" / "clip"


@pytest.fixture
def offer(monkeypatch, tiny_clip):
    """Lets the name ViT-B/16 stand for a URL under `base`, with the hash of the tiny CLIP, as OpenAI's URLs hold it."""

    def to(base):
        url = f"{base}/{hashlib.sha256(tiny_clip.read_bytes()).hexdigest()}/ViT-B-16.pt"
        monkeypatch.setitem(MODEL_URLS, "ViT-B/16", url)
        return url

    return to


def files_in(folder):
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"} if folder.is_dir() else set()


def expect_advice(downloads, url, state):
    """The error names the file, how it is, the URL that it comes from, and the option that names another."""
    target = re.escape(repr(str(downloads / "ViT-B-16.pt")))
    return pytest.raises(
        BackboneNotFoundError, match=f"'ViT-B/16' at {target} are {state}.*{re.escape(url)}.*--data.backbone"
    )


def test_a_file_is_loaded_by_its_path(tiny_clip):
    backbone = load_backbone(str(tiny_clip))
    assert isinstance(backbone, Backbone)
    assert backbone.name == str(tiny_clip)
    assert next(backbone.parameters()).dtype == torch.float32


def test_one_copy_a_process(tiny_clip):
    assert load_backbone(str(tiny_clip)) is load_backbone(str(tiny_clip))


@pytest.mark.shared_data
def test_the_small_clip_of_the_test_data_loads(shared_data):
    backbone = load_backbone(str(shared_data / "pretrained" / "small_clip.pt"))
    assert (backbone.embed_dim, backbone.input_size, backbone.context_length) == (256, 64, 32)
    embedding = backbone.encode_image(torch.zeros(1, 3, 64, 64))
    torch.testing.assert_close(embedding.norm(), torch.tensor(1.0))


def test_an_unknown_name_lists_the_known_and_the_closest():
    with pytest.raises(BackboneNotFoundError, match=r"No backbone 'ViT-B16'.*RN50x16.*Did you mean 'ViT-B/16'\?"):
        load_backbone("ViT-B16")


def test_a_missing_file_is_an_unknown_name(tmp_path):
    with pytest.raises(BackboneNotFoundError, match="neither a file nor one of"):
        load_backbone(str(tmp_path / "weights.pt"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>not found</html>\n" * 40, id="text"),
        pytest.param(pickle.dumps({"weights": [1, 2]}, protocol=2), id="pickle"),
        pytest.param(torch.zeros(3), id="tensor"),
        pytest.param({"layer.weight": torch.zeros(3, 3)}, id="other-state"),
        pytest.param({}, id="no-state"),
        pytest.param([1, 2], id="list"),
        pytest.param({"visual.proj": torch.zeros(4, 4)}, id="part-of-a-clip"),
    ],
)
def test_a_file_of_another_kind_is_an_error_that_names_it(content, tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(BackboneNotFoundError, match=f"^{re.escape(repr(str(path)))} is not a CLIP in OpenAI's format"):
        load_backbone(str(path))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_an_error_that_names_it(share, tiny_clip, tmp_path):
    path, whole = tmp_path / "weights.pt", tiny_clip.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(BackboneNotFoundError, match=re.escape(repr(str(path)))):
        load_backbone(str(path))


def test_a_missing_weight_is_an_error_that_names_the_file(tiny_clip, tmp_path):
    state = torch.load(tiny_clip, weights_only=True)
    del state["ln_final.weight"]
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(BackboneNotFoundError, match=re.escape(str(tmp_path / "weights.pt"))):
        load_backbone(str(tmp_path / "weights.pt"))


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "trapped"), "w")

    torch.save({"visual.proj": Trap()}, tmp_path / "weights.pt")
    with pytest.raises(BackboneNotFoundError):
        load_backbone(str(tmp_path / "weights.pt"))
    assert not (tmp_path / "trapped").exists()


class TestDownload:
    pytestmark = loopback

    def test_a_name_is_downloaded_once_and_loaded(self, serve, downloads, offer, tiny_clip):
        server = serve(tiny_clip.read_bytes())
        offer(server.base)
        backbone = load_backbone("ViT-B/16")
        assert (backbone.name, server.requests) == ("ViT-B/16", 1)
        assert backbone.fingerprint == load_backbone(str(tiny_clip)).fingerprint
        assert (downloads / "ViT-B-16.pt").read_bytes() == tiny_clip.read_bytes()
        assert files_in(downloads) == {"ViT-B-16.pt"}

    def test_a_file_that_is_there_is_not_downloaded(self, serve, downloads, offer, tiny_clip):
        server = serve(b"", status=500)
        offer(server.base)
        downloads.mkdir(parents=True)
        (downloads / "ViT-B-16.pt").write_bytes(tiny_clip.read_bytes())
        load_backbone("ViT-B/16")
        assert server.requests == 0

    def test_processes_that_ask_together_download_once(self, serve, downloads, offer, tiny_clip):
        server = serve(tiny_clip.read_bytes())
        offer(server.base)
        with ThreadPoolExecutor(4) as pool:
            backbones = list(pool.map(load_backbone, ["ViT-B/16"] * 4))
        assert server.requests == 1
        assert len({backbone.fingerprint for backbone in backbones}) == 1

    def test_a_damaged_file_is_replaced(self, serve, downloads, offer, tiny_clip):
        offer(serve(tiny_clip.read_bytes()).base)
        downloads.mkdir(parents=True)
        (downloads / "ViT-B-16.pt").write_bytes(tiny_clip.read_bytes()[:1000])
        load_backbone("ViT-B/16")
        assert (downloads / "ViT-B-16.pt").read_bytes() == tiny_clip.read_bytes()

    @pytest.mark.parametrize(
        ("body", "settings"),
        [
            pytest.param(b"no such file", {"status": 404}, id="not-found"),
            pytest.param(b"out of order", {"status": 503}, id="server-error"),
            pytest.param(b"<html>log in first</html>", {}, id="other-content"),
            pytest.param(b"<html>log in first</html>", {"length": ""}, id="no-length"),
            pytest.param(b"the first of many bytes", {"length": "100000"}, id="cut-off"),
            pytest.param(b"x", {"length": "many"}, id="nonsense"),
        ],
    )
    def test_a_failed_download_says_where_to_put_the_file_and_leaves_none(
        self, body, settings, serve, downloads, offer
    ):
        url = offer(serve(body, **settings).base)
        with expect_advice(downloads, url, "missing"):
            load_backbone("ViT-B/16")
        assert files_in(downloads) == set()

    def test_a_server_that_ends_early_is_told_as_that(self, serve, downloads, offer, tiny_clip):
        offer(serve(tiny_clip.read_bytes()[:1000], length=str(tiny_clip.stat().st_size)).base)
        with pytest.raises(BackboneNotFoundError, match=r"the server ended after 1,000 of [\d,]+ bytes"):
            load_backbone("ViT-B/16")
        assert files_in(downloads) == set()

    def test_more_than_was_announced_is_not_read(self, serve, downloads, offer, tiny_clip):
        body = tiny_clip.read_bytes()
        offer(serve(body + b"more", length=str(len(body))).base)
        load_backbone("ViT-B/16")
        assert (downloads / "ViT-B-16.pt").read_bytes() == body

    def test_a_server_that_never_stops_is_left(self, serve, downloads, offer, monkeypatch):
        def pour(file):
            while True:
                file.write(b"x" * 2**16)

        monkeypatch.setattr(download, "_LARGEST", 10**6)
        offer(serve(b"x", length="", after=pour).base)
        with pytest.raises(BackboneNotFoundError, match="sent more than 1,000,000 bytes"):
            load_backbone("ViT-B/16")
        assert files_in(downloads) == set()

    def test_a_server_that_falls_silent_is_left(self, serve, downloads, offer, monkeypatch):
        monkeypatch.setattr(download, "_PATIENCE", 0.2)
        ended = threading.Event()
        offer(serve(b"x", length="1000", after=lambda file: ended.wait(20)).base)
        with pytest.raises(BackboneNotFoundError, match=r"could not be downloaded .*timed out"):
            load_backbone("ViT-B/16")
        ended.set()
        assert files_in(downloads) == set()

    def test_a_server_that_drips_is_left(self, serve, downloads, offer, monkeypatch):
        def drip(file):
            while True:
                time.sleep(0.01)
                file.write(b"x")
                file.flush()

        monkeypatch.setattr(download, "_PATIENCE", 0.2)
        offer(serve(b"x", length="", after=drip).base)
        with pytest.raises(BackboneNotFoundError, match=r"bytes in \d seconds, and would never end"):
            load_backbone("ViT-B/16")
        assert files_in(downloads) == set()

    def test_a_redirection_to_a_file_of_this_machine_is_not_followed(self, serve, downloads, offer, tiny_clip):
        url = offer(serve(b"", status=302, location=tiny_clip.as_uri()).base)
        with expect_advice(downloads, url, "missing"):
            load_backbone("ViT-B/16")
        assert files_in(downloads) == set()

    def test_a_redirection_to_another_server_is_followed(self, serve, downloads, offer, tiny_clip):
        other = serve(tiny_clip.read_bytes())
        offer(serve(b"", status=302, location=f"{other.base}/weights").base)
        assert load_backbone("ViT-B/16").embed_dim == 32

    def test_a_refused_connection_says_where_to_put_the_file_and_leaves_none(self, serve, downloads, offer):
        server = serve(b"")
        url = offer(server.base)
        server.shutdown()
        server.server_close()
        with expect_advice(downloads, url, "missing"):
            load_backbone("ViT-B/16")
        assert files_in(downloads) == set()

    def test_a_damaged_file_that_cannot_be_replaced_stays_and_is_called_damaged(self, serve, downloads, offer):
        url = offer(serve(b"", status=404).base)
        downloads.mkdir(parents=True)
        (downloads / "ViT-B-16.pt").write_bytes(b"half")
        with expect_advice(downloads, url, "damaged"):
            load_backbone("ViT-B/16")
        assert (downloads / "ViT-B-16.pt").read_bytes() == b"half"

    def test_a_failure_is_not_remembered(self, serve, downloads, offer, tiny_clip):
        url = offer(serve(b"", status=404).base)
        with expect_advice(downloads, url, "missing"):
            load_backbone("ViT-B/16")
        offer(serve(tiny_clip.read_bytes()).base)
        assert load_backbone("ViT-B/16").embed_dim == 32

    def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(self, serve, downloads, offer, tiny_clip):
        url = offer(serve(tiny_clip.read_bytes()).base)
        downloads.parent.write_text("a file where a folder belongs")
        with expect_advice(downloads, url, "missing"):
            load_backbone("ViT-B/16")
