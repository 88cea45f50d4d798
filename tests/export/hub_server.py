"""A server on the loopback that speaks as much of the Hugging Face Hub as pushing and fetching a model takes."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c" * 40


class Hub:
    """What the server was told: repositories by name, their files, and the requests' tokens."""

    def __init__(self):
        self.repositories, self.private, self.tokens, self.refuses = {}, {}, set(), False


def _handler(hub):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments):
            pass

        def answer(self, value, code=200, headers=()):
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(code)
            for name, told in [("Content-Length", str(len(body))), *headers]:
                self.send_header(name, told)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_POST(self):
            hub.tokens.add(self.headers.get("Authorization"))
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if hub.refuses:
                return self.answer({"error": "Invalid username or password."}, 401)
            if self.path == "/api/repos/create":
                asked = json.loads(body)
                name = f"{asked.get('organization') or 'me'}/{asked['name']}"
                hub.repositories.setdefault(name, {})
                hub.private[name] = asked.get("visibility")
                return self.answer({"url": f"{self.address()}/{name}"})
            if self.path == "/api/validate-yaml":
                return self.answer({"errors": [], "warnings": []})
            name = "/".join(self.path.split("/")[3:5])
            if "/preupload/" in self.path:
                files = [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                         for file in json.loads(body)["files"]]  # fmt: skip
                return self.answer({"files": files})
            for line in body.splitlines():
                told = json.loads(line)
                if told["key"] == "file":
                    hub.repositories[name][told["value"]["path"]] = base64.b64decode(told["value"]["content"])
            return self.answer({"commitUrl": f"{self.address()}/{name}/commit/{COMMIT}", "commitOid": COMMIT})

        def do_GET(self):
            parts = self.path.partition("?")[0].strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                name = "/".join(parts[2:4])
                if name not in hub.repositories:
                    return self.answer({"error": "Repository not found"}, 404, [("X-Error-Code", "RepoNotFound")])
                if parts[4:5] == ["tree"]:
                    return self.answer([
                        {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                        for path, content in hub.repositories[name].items()
                    ])  # fmt: skip
                siblings = [{"rfilename": path} for path in hub.repositories[name]]
                return self.answer({"id": name, "sha": COMMIT, "siblings": siblings, "private": False})
            content = hub.repositories["/".join(parts[:2])].get("/".join(parts[4:]))
            if content is None:
                return self.answer({"error": "Entry not found"}, 404, [("X-Error-Code", "EntryNotFound")])
            tag = hashlib.sha1(content).hexdigest()
            return self.answer(content, headers=[("ETag", f'"{tag}"'), ("X-Repo-Commit", COMMIT)])

        do_HEAD = do_GET

        def address(self):
            return f"http://{self.headers['Host']}"

    return Handler


@contextmanager
def served(hub):
    """The server's address, while it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
