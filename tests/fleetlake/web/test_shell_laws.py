"""Whatever a request says of itself, it is answered, whole and without a defect."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from contracts.access import Scope
from fleetlake.web.key_file import add
from fleetlake.web.keys import Key
from fleetlake.web.settings import HttpSettings
from tests.interfaces import Interface

DECIDING = [
    b"host",
    b"origin",
    b"authorization",
    b"content-length",
    b"x-forwarded-for",
    b"forwarded",
    b"x-request-id",
    b"access-control-request-method",
    b"sec-fetch-site",
]
VALUES = [
    b"localhost",
    b"[::1",
    b"http://localhost",
    b"Bearer flk_",
    b"Bearer a.b.c",
    b"1e9",
    b"-1",
    b"10.0.0.1, \xff",
    b"GET",
    b"cross-site",
]
HTTP = HttpSettings(
    trusted_proxies=("10.0.0.0/8",),
    allowed_origins=("https://a.example.com",),
    requests_per_second=0,
    oidc_issuer="https://127.0.0.1:1",
    oidc_audience="a",
)

values = st.sampled_from(VALUES) | st.binary(max_size=30)
headers = st.lists(
    st.tuples(st.sampled_from(DECIDING) | st.binary(min_size=1, max_size=8), values), max_size=8
)
paths = st.text(st.sampled_from("/.a%\\\x00\nü?{}"), max_size=12).map(
    lambda text: "/" + text
) | st.sampled_from(
    [
        "/unread",
        "/ingest",
        "/health",
        "/ready",
        "/metrics",
        "/vehicles/V1/state",
        "/",
        "/page/app.js",
        "*",
        "",
    ]
)
methods = st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "DELETE", "BREW"])
bodies = st.lists(st.binary(max_size=20), max_size=4)
peers = st.sampled_from([("127.0.0.1", 1), ("10.0.0.1", 1), ("2001:db8::1", 1), None])


@pytest.fixture(scope="module")
def open_one(tmp_path_factory: pytest.TempPathFactory) -> Interface:
    """Without authentication."""
    return Interface(tmp_path_factory.mktemp("open"), http=HttpSettings(requests_per_second=0))


@pytest.fixture(scope="module")
def closed_one(tmp_path_factory: pytest.TempPathFactory) -> Interface:
    """With keys, tokens, proxies, origins and limits."""
    folder = tmp_path_factory.mktemp("closed")
    now = datetime.now(UTC)
    entry, _ = Key.new("reader", frozenset({Scope.READ}), None, created=now, expires=None)
    add(folder / "keys.yml", entry)
    return Interface(folder, http=HTTP)


def asked(interface: Interface, scope: dict[str, Any], parts: list[bytes]) -> list[dict[str, Any]]:
    """What is sent for one request, in this process."""
    waiting = [
        *({"type": "http.request", "body": part, "more_body": True} for part in parts),
        {"type": "http.request", "body": b"", "more_body": False},
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    base = {"type": "http", "http_version": "1.1", "scheme": "http", "query_string": b"", "root_path": ""}
    asyncio.run(interface.shell({**base, **scope}, receive, send))
    return sent


def check(sent: list[dict[str, Any]], logs: Any) -> None:
    start, *parts = sent
    assert start["type"] == "http.response.start"
    assert 200 <= start["status"] < 500 or start["status"] == 503
    assert [part["more_body"] for part in parts] == [True] * (len(parts) - 1) + [False]
    names = [name for name, _ in start["headers"]]
    assert len(names) - names.count(b"vary") == len(set(names) - {b"vary"})
    assert all(b"\n" not in name + value and b"\r" not in name + value for name, value in start["headers"])
    assert [each for each in logs if each["event"] == "request_failed"] == []


@given(path=paths, method=methods, headers=headers, parts=bodies, peer=peers)
def test_every_request_is_answered_without_authentication(
    open_one: Interface, path: str, method: str, headers: Any, parts: list[bytes], peer: Any
) -> None:
    """Nothing in it makes a defect of us, or a header of another's."""
    with capture_logs() as logs:
        scope = {"path": path, "method": method, "headers": headers, "client": peer}
        check(asked(open_one, scope, parts), logs)


@given(path=paths, method=methods, headers=headers, parts=bodies, peer=peers)
def test_nobody_gets_in_who_has_no_key(
    closed_one: Interface, path: str, method: str, headers: Any, parts: list[bytes], peer: Any
) -> None:
    """Whatever stands in the headers: only what is open is answered."""
    scope = {"path": path, "method": method, "headers": headers, "client": peer}
    with capture_logs() as logs:
        sent = asked(closed_one, scope, parts)
        check(sent, logs)
    is_open = path in ("/", "/page/app.js", "/health", "/ready", "/metrics")
    assert sent[0]["status"] >= 400 or is_open or method == "OPTIONS"
