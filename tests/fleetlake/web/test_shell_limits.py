"""How much one client may ask of the shell, and all of them together. What is more is told so."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.access import Scope
from contracts.problem import Problem
from fleetlake.web.limits import Concurrency
from fleetlake.web.settings import HttpSettings
from tests.fleetlake.web.conftest import MakeKey
from tests.interfaces import Interface, kind_of, talk

STATE = "/vehicles/V1/state"
pytestmark = pytest.mark.usefixtures("logs")


def test_each_client_has_a_rate_of_its_own(tmp_path: Path, make_key: MakeKey) -> None:
    """By its key, wherever it asks from; the health of the process is not asked too often."""
    one, other = make_key("one", Scope.READ), make_key("other", Scope.READ)
    interface = Interface(tmp_path, http=HttpSettings(requests_per_second=0.01, burst=3))
    asked = [interface.ask("GET", STATE, key=one, peer=f"10.0.0.{n}").status_code for n in range(5)]
    assert asked == [200, 200, 200, 429, 429]
    refused = interface.ask("GET", STATE, key=one)
    assert kind_of(refused) == "too-many-requests"
    assert 1 <= int(refused.headers["retry-after"]) <= 100
    assert interface.ask("GET", STATE, key=other).status_code == 200
    assert [interface.ask("GET", "/health").status_code for _ in range(10)] == [200] * 10


def test_without_keys_a_client_is_its_address(tmp_path: Path) -> None:
    """Behind a trusted proxy, the one that it asks for; an IPv6 network is one client."""
    http = HttpSettings(requests_per_second=0.01, burst=1, trusted_proxies=("10.0.0.0/8",))
    interface = Interface(tmp_path, http=http)

    def ask(forwarded: str, peer: str = "10.0.0.1") -> int:
        return interface.ask("GET", STATE, peer=peer, headers={"x-forwarded-for": forwarded}).status_code

    assert [ask("192.0.2.1"), ask("192.0.2.2"), ask("192.0.2.1")] == [200, 200, 429]
    assert [ask("1.1.1.1, 192.0.2.1"), ask("192.0.2.1, 10.9.9.9")] == [429, 429]
    assert [ask("2001:db8::1"), ask("2001:db8::2"), ask("2001:db8:0:1::1")] == [200, 429, 200]
    assert [ask("192.0.2.77", peer="127.0.0.1"), ask("192.0.2.78", peer="127.0.0.1")] == [200, 429]


PREFLIGHT = {"origin": "https://fleet.example.com", "access-control-request-method": "GET"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/x//y", {}, 404),
        ("GET", "/a/%2e%2e/x", {}, 404),
        ("OPTIONS", STATE, PREFLIGHT, 204),
        ("OPTIONS", STATE, {**PREFLIGHT, "origin": "https://evil.example.com"}, 403),
        ("POST", "/health", {}, 405),
        ("POST", "/metrics", {}, 405),
        ("GET", STATE, {"authorization": "Basic x"}, 401),
        ("GET", "/nothing", {}, 401),
    ],
)
def test_what_is_answered_without_a_key_has_a_rate_too(
    tmp_path: Path, reader_key: str, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """That of its place: whatever costs work and a line of the log. Only who watches the process has none."""
    del reader_key
    http = HttpSettings(requests_per_second=0.01, burst=2, allowed_origins=("https://fleet.example.com",))
    interface = Interface(tmp_path, http=http)
    asked = [interface.ask(method, path, headers=headers).status_code for _ in range(4)]
    assert asked == [status, status, 429, 429]
    assert interface.ask("GET", "/health").status_code == 200
    assert interface.ask(method, path, headers=headers, peer="10.0.0.2").status_code in (status, 401)


def test_a_header_that_comes_twice_is_counted(tmp_path: Path, reader_key: str) -> None:
    """Where it decides who asks."""
    interface = Interface(tmp_path, http=HttpSettings(requests_per_second=0.01, burst=2))
    head = f"GET {STATE} HTTP/1.1\r\nhost: localhost\r\n" + f"authorization: Bearer {reader_key}\r\n" * 2
    with interface.listening() as port:
        answers = talk(port, f"{head}\r\n".encode() * 3 + f"{head}connection: close\r\n\r\n".encode())
    assert [int(each[:3]) for each in answers.split(b"HTTP/1.1 ")[1:]] == [400, 400, 429, 429]


def test_a_flood_of_requests_is_none_of_lines(tmp_path: Path, logs: list[Any]) -> None:
    """The metrics count each; another place has lines of its own."""
    interface = Interface(tmp_path, http=HttpSettings(requests_per_second=0.001, burst=1))
    asked = [interface.ask("GET", "/x//y").status_code for _ in range(50)]
    assert asked == [404] + [429] * 49
    interface.ask("GET", "/x//y", peer="10.0.0.2")
    interface.ask("GET", "/x//y", peer="10.0.0.2")
    lines = [(each["client"], each["status"]) for each in logs if each["event"] == "request"]
    assert lines[:2] == [("127.0.0.1", 404), ("127.0.0.1", 429)]
    assert 11 <= lines.count(("127.0.0.1", 429)) + 1 <= 30
    assert lines[-2:] == [("10.0.0.2", 404), ("10.0.0.2", 429)]
    assert interface.count("fleetlake_http_refused_total", reason="too-many-requests") == 50


def test_zero_is_no_limit(tmp_path: Path) -> None:
    """For measurements, and where a proxy limits."""
    interface = Interface(tmp_path, http=HttpSettings(requests_per_second=0, burst=1))
    assert {interface.ask("GET", STATE).status_code for _ in range(20)} == {200}


def test_a_body_that_says_that_it_is_too_long_is_not_read(tmp_path: Path) -> None:
    """And one that grows too long is not read on, nor is a length believed that is none."""
    interface = Interface(tmp_path, http=HttpSettings(body_bytes=100))
    for length in ("101", "9" * 400):
        answer = interface.ask("POST", "/ingest", headers={"content-length": length}, content=b"x")
        assert (answer.status_code, kind_of(answer)) == (413, "too-large")
    assert interface.ask("POST", "/ingest", content=b"x" * 100).json() == {"bytes": 100}


def test_too_many_at_once_are_told_so(tmp_path: Path) -> None:
    """One client before all: it cannot starve the others. Who watches the process is answered."""
    http = HttpSettings(concurrent_requests=3, concurrent_per_client=2)
    gate = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await gate.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    interface = Interface(tmp_path, app=slow, http=http)

    async def all_at_once() -> list[int]:
        async def ask(peer: str, path: str = "/x") -> int:
            transport = httpx.ASGITransport(interface.shell, client=(peer, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return (await client.get(path)).status_code

        waiting = [asyncio.create_task(ask(peer)) for peer in ("10.0.0.1", "10.0.0.1", "10.0.0.2")]
        while interface.count("fleetlake_http_in_flight") < 3:
            await asyncio.sleep(0.01)
        found = [await ask("10.0.0.1"), await ask("10.0.0.3"), await ask("10.0.0.3", "/health")]
        gate.set()
        return [*found, *[await each for each in waiting], await ask("10.0.0.1")]

    assert asyncio.run(all_at_once()) == [503, 503, 200, 200, 200, 200, 200]
    assert interface.count("fleetlake_http_refused_total", reason="unavailable") == 2


def test_one_client_does_not_starve_the_others(tmp_path: Path) -> None:
    """Its own limit comes first, with its own answer."""
    limits = Concurrency(10, 1)
    with limits.one_more("a"), limits.one_more("b"):
        with pytest.raises(Problem) as caught, limits.one_more("a"):
            pass
        assert caught.value.status == 429
    with limits.one_more("a"):
        pass
