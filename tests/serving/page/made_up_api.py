"""A small HTTP server with the page and the routes it asks, over a made-up fleet.

`python -m tests.serving.page.made_up_api --vehicles 10000` serves it for trying the page by hand.
"""

import argparse
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.serving.page.made_up_answers import Answers, NoSuchThing
from tests.serving.page.made_up_fleet import MadeUpFleet

DIST = Path(__file__).parents[3] / "serving" / "page" / "dist"
CSP = (
    "default-src 'none'; script-src 'self'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEARTBEAT_SECONDS = 1.0


class MadeUpApi:
    """The server, and what a test does to it."""

    def __init__(self, fleet: MadeUpFleet, *, key: str | None = None) -> None:
        self.fleet, self.key, self.answers = fleet, key, Answers(fleet)
        self.is_away = threading.Event()
        self.stopped = threading.Event()
        self.resumed_from: list[str | None] = []

    def drop_streams(self) -> None:
        """Until `come_back`, streams end and every question is refused."""
        self.is_away.set()
        with self.fleet.changed:
            self.fleet.changed.notify_all()

    def come_back(self) -> None:
        self.is_away.clear()


class Handler(SimpleHTTPRequestHandler):
    """Answers a route, streams, or gives a file of the page."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *given: Any, api: MadeUpApi) -> None:
        self.api = api
        super().__init__(*given, directory=str(DIST))

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", CSP)
        super().end_headers()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/" or (DIST / url.path.lstrip("/")).is_file():
            return super().do_GET()
        if self.api.key is not None and self.headers.get("Authorization") != f"Bearer {self.api.key}":
            return self._problem(HTTPStatus.UNAUTHORIZED, "unauthenticated")
        if self.api.is_away.is_set():
            return self._problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable")
        if url.path == "/stream":
            return self._stream()
        try:
            return self._json(self.api.answers.route(url.path)(dict(parse_qsl(url.query))))
        except NoSuchThing:
            return self._problem(HTTPStatus.NOT_FOUND, "not-found")

    def _json(self, document: object, status: HTTPStatus = HTTPStatus.OK) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _problem(self, status: HTTPStatus, kind: str) -> None:
        self._json(
            {"type": f"urn:fleetlake:problem:{kind}", "status": status, "detail": "MongoDB is away"}, status
        )

    def _stream(self) -> None:
        last_id = self.headers.get("Last-Event-ID")
        self.api.resumed_from.append(last_id)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        last = self.api.fleet.next_id - 1 if last_id is None else int(last_id)
        try:
            while not (self.api.is_away.is_set() or self.api.stopped.is_set()):
                last = self._pass_on(last)
        except OSError:
            return

    def _pass_on(self, last: int) -> int:
        fleet = self.api.fleet
        with fleet.changed:
            fleet.changed.wait_for(lambda: fleet.next_id - 1 > last, HEARTBEAT_SECONDS)
        events = fleet.since(last)
        text = "".join(f"id: {number}\nevent: state\ndata: {data}\n\n" for number, data in events)
        self.wfile.write((text or ": still here\n\n").encode())
        self.wfile.flush()
        return events[-1][0] if events else last


class Server(ThreadingHTTPServer):
    """Its threads end with it."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is no error."""


@contextmanager
def serving(api: MadeUpApi, *, port: int = 0, step_seconds: float = 0.5) -> Iterator[str]:
    """Its address, while the fleet drives."""
    server = Server(("127.0.0.1", port), partial(Handler, api=api))

    def drive() -> None:
        while not api.stopped.wait(step_seconds):
            api.fleet.step()

    threads = [threading.Thread(target=server.serve_forever), threading.Thread(target=drive)]
    for thread in threads:
        thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        api.stopped.set()
        server.shutdown()
        for thread in threads:
            thread.join()
        server.server_close()


def main() -> None:
    """Serves until it is interrupted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--vehicles", type=int, default=14)
    parser.add_argument("--key")
    given = parser.parse_args()
    with serving(MadeUpApi(MadeUpFleet(given.vehicles), key=given.key)) as address:
        print(address, flush=True)  # noqa: T201 - for whoever started it
        threading.Event().wait()


if __name__ == "__main__":
    main()
