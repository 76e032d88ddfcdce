"""A webhook of a test's own: a real HTTP server that remembers what it got, and answers as it is told."""

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fleetlake.stack.server import LOOPBACK


@dataclass(frozen=True)
class Got:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def key(self) -> str:
        """The same for every try of one delivery."""
        return self.headers["Idempotency-Key"]


@dataclass(frozen=True)
class Reply:
    """How to answer: `dribble_s` sends a byte of the body at a time, that far apart."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    before_s: float = 0.0
    dribble_s: float = 0.0


@dataclass
class HookServer:
    """`replies` are given one after the other, then 200."""

    url: str
    replies: deque[Reply] = field(default_factory=deque)
    got: list[Got] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


@contextmanager
def hook_server() -> Iterator[HookServer]:
    """On a free port, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            reply = hook.replies.popleft() if hook.replies else Reply()
            hook.got.append(Got(self.path, dict(self.headers), body))
            hook.closing.wait(reply.before_s)
            try:
                self._answer(reply)
            except OSError:
                return  # who asked has gone

        def do_GET(self) -> None:
            hook.got.append(Got(self.path, dict(self.headers), b""))
            self.send_error(404)

        def _answer(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            step = 1 if reply.dribble_s else len(reply.body) or 1
            for start in range(0, len(reply.body), step):
                self.wfile.write(reply.body[start : start + step])
                self.wfile.flush()
                if reply.dribble_s and hook.closing.wait(reply.dribble_s):
                    return

        def log_message(self, format: str, *arguments: object) -> None:
            del format, arguments

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    server.daemon_threads = True
    hook = HookServer(f"http://{LOOPBACK}:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hook
    finally:
        hook.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def now_s() -> float:
    """For measuring."""
    return time.monotonic()
