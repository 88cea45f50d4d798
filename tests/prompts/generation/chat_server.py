"""An OpenAI-compatible server on loopback that answers, counts, and misbehaves as it is told."""

import json
import threading
import time
from collections import Counter, deque
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ChatServer(ThreadingHTTPServer):
    """Answers chat completions; the first requests meet the `faults`, one each, whichever question they ask.

    Each answer repeats the question. `pause` is the time that an answer takes; while the `gate` is cleared, none is
    given. `most_at_once` is the number of requests that were ever open together.
    """

    daemon_threads = True

    def __init__(self, *, pause=0.0, takes_n=True, answer=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pause, self.takes_n = pause, takes_n
        self.answer = answer or (lambda question, k: f"Answer {k} to: {question}.")
        self.gate = threading.Event()
        self.gate.set()
        self.faults = deque()
        self.bodies, self.keys, self.times = [], [], []
        self.open_now = self.most_at_once = 0
        self.lock = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def asked(self):
        """How often each question was asked."""
        with self.lock:
            return Counter(question_of(body) for body in self.bodies)

    def handle_error(self, request, client_address):
        """Clients that were killed, or did not wait, are what tests are about."""


def question_of(body):
    """A question without the wish for a plain sentence that follows it."""
    return body["messages"][0]["content"].split("\n")[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.bodies.append(body)
            server.keys.append(self.headers["Authorization"])
            server.times.append(time.monotonic())
            server.open_now += 1
            server.most_at_once = max(server.most_at_once, server.open_now)
            fault = server.faults.popleft() if server.faults else None
        try:
            time.sleep(server.pause)
            server.gate.wait()
            (fault or answer)(self, body)
        finally:
            with server.lock:
                server.open_now -= 1

    def send(self, status, content, headers=(), *, kind="application/json", length=None):
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length or len(content)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


def completion(server, body):
    """A chat completion, as OpenAI's servers write it."""
    n = body.get("n", 1) if server.takes_n else 1
    texts = [server.answer(question_of(body), k) for k in range(n)]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [
            {"index": k, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            for k, text in enumerate(texts)
        ],
        "usage": {"prompt_tokens": 20, "completion_tokens": 7 * n, "total_tokens": 20 + 7 * n},
    }


def answer(handler, body):
    handler.send(200, completion(handler.server, body))


def refuse(status, message="no", *, code=None, headers=()):
    """A fault: an error as OpenAI's servers write it."""
    return lambda handler, body: handler.send(status, {"error": {"message": message, "code": code}}, headers)


def say(content, kind="application/json"):
    """A fault: something else with status 200."""
    return lambda handler, body: handler.send(200, content, kind=kind)


def wait(seconds):
    """A fault: the right answer, late."""

    def late(handler, body):
        time.sleep(seconds)
        answer(handler, body)

    return late


def cut(handler, body):
    """A fault: the connection ends in the middle of the body."""
    content = json.dumps(completion(handler.server, body)).encode()
    handler.send(200, content[: len(content) // 2], length=len(content))
    handler.close_connection = True


def hang_up(handler, body):
    """A fault: the connection ends before the first byte."""
    handler.close_connection = True


@contextmanager
def running(**settings):
    """A server, as long as the block lasts."""
    server = ChatServer(**settings)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.gate.set()
        server.shutdown()
        server.server_close()
