"""What the shell does around an application: headers, problems, limits, logs and metrics."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from structlog.testing import capture_logs

from contracts.access import Scope
from contracts.problem import Problem
from fleetlake.web.headers import SAFE
from fleetlake.web.limits import Concurrency
from fleetlake.web.problems import EXCEPTION_HANDLERS
from fleetlake.web.settings import HttpSettings
from tests.fleetlake.web.conftest import MakeKey
from tests.interfaces import FROM_THE_INSIDE, Interface, document_of, kind_of, status_of, talk

STATE = "/vehicles/V1/state"


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    """What is logged during the test."""
    with capture_logs() as found:
        yield found


@pytest.mark.parametrize("path", [STATE, "/health", "/nothing", "/defect", "/page/app.js", "/metrics"])
def test_every_answer_is_safe_to_show(open_interface: Interface, path: str) -> None:
    """Whatever comes of it."""
    answer = open_interface.ask("GET", path)
    for name, value in SAFE:
        assert answer.headers[name.decode()] == value.decode()
    assert len(answer.headers["x-request-id"]) == 32
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers


def test_an_application_may_cache_what_it_knows(tmp_path: Path) -> None:
    """Its own value of a header wins."""
    app = FastAPI()

    @app.get("/tile")
    async def tile() -> Any:
        return PlainTextResponse("x", headers={"Cache-Control": "max-age=60", "Vary": "Accept"})

    interface = Interface(tmp_path, app=app, http=HttpSettings(allowed_origins=("https://a.example.com",)))
    answer = interface.ask("GET", "/tile")
    assert answer.headers["cache-control"] == "max-age=60"
    assert answer.headers.get_list("vary", split_commas=True) == ["Accept", "Origin"]


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/nothing", 404, "not-found"),
        ("/ingest", 405, "method-not-allowed"),
        ("/problem", 409, "in-progress"),
        ("/defect", 500, "internal"),
        ("/framework/400", 400, "invalid-request"),
        ("/framework/418", 400, "invalid-request"),
        ("/framework/422", 400, "invalid-request"),
        ("/framework/429", 429, "too-many-requests"),
        ("/framework/500", 500, "internal"),
        ("/framework/502", 500, "internal"),
        ("/framework/503", 503, "unavailable"),
    ],
)
def test_whatever_goes_wrong_is_a_problem(
    open_interface: Interface, path: str, status: int, kind: str
) -> None:
    """Of one form; the framework's words about a request are kept, not those about us."""
    answer = open_interface.ask("GET", path)
    if status != 400 and path != "/framework/429":
        assert kind_of(answer) == kind
    else:
        assert answer.json()["type"] == f"urn:fleetlake:problem:{kind}"
    assert answer.status_code == status


def test_a_problem_keeps_its_headers_and_members(open_interface: Interface) -> None:
    """What a program needs to go on."""
    answer = open_interface.ask("GET", "/problem")
    assert (answer.headers["retry-after"], answer.json()["hint"]) == ("3", "later")
    assert open_interface.ask("GET", "/ingest").headers["allow"] == "POST"


def test_a_defect_is_in_the_log_and_nowhere_else(open_interface: Interface, logs: list[Any]) -> None:
    """Under the id that the client has."""
    answer = open_interface.ask("GET", "/defect")
    assert FROM_THE_INSIDE not in answer.text
    assert "RuntimeError" not in answer.text
    failed = [each for each in logs if each["event"] == "request_failed"]
    assert [each["request_id"] for each in failed] == [answer.json()["request_id"]]
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert FROM_THE_INSIDE in str(failed[0]["exc_info"])


def test_a_defect_outside_of_the_framework_is_an_answer_too(tmp_path: Path) -> None:
    """Of an application that has no handlers at all."""

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError(FROM_THE_INSIDE)

    answer = Interface(tmp_path, app=bare).ask("GET", "/x")
    assert kind_of(answer) == "internal"


def test_fastapi_is_answered_for_in_the_same_form(tmp_path: Path) -> None:
    """It makes an error of its own of what goes wrong with a body: what it was is told all the same."""
    app = FastAPI(exception_handlers=dict(EXCEPTION_HANDLERS), docs_url=None)  # type: ignore[arg-type]

    @app.post("/sums")
    async def sums(values: list[int]) -> int:
        return sum(values)

    @app.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    interface = Interface(tmp_path, app=app, http=HttpSettings(body_bytes=10))
    as_json = {"content-type": "application/json"}
    assert interface.ask("POST", "/sums", content=b"[1,2]", headers=as_json).json() == 3
    for path in ("/sums", "/raw"):
        answer = interface.ask("POST", path, content=b"[1,2,3,4,5,6,7,8]", headers=as_json)
        assert (answer.status_code, kind_of(answer)) == (413, "too-large")
        assert answer.json()["limit_bytes"] == 10
    assert kind_of(interface.ask("GET", "/sums")) == "method-not-allowed"
    assert interface.ask("GET", "/docs").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/page/../vehicles/V1/state",
        "/page/%2e%2e/vehicles/V1/state",
        "/page/..%2fvehicles/V1/state",
        "/page/.%2e/",
        "/page/./app.js",
        "/..",
        "//page/app.js",
        "//evil.example.com/",
        "/page//app.js",
        "/page/%5c..%5capp.js",
        "/page/app.js%00",
        "/page/%0d%0aset-cookie:a=b",
        "/page/%7f",
    ],
)
def test_a_path_that_could_mean_another_is_no_route(
    open_interface: Interface, path: str, logs: list[Any]
) -> None:
    """Before anybody is asked for a key: nothing of an open path is read for it."""
    with open_interface.listening() as port:
        answer = talk(port, f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
    assert status_of(answer) == 404
    assert document_of(answer)["detail"] == "there is no such route"
    assert b"set-cookie: a=b" not in answer.lower()
    assert open_interface.count("fleetlake_http_refused_total", reason="not-found") == 1


@pytest.mark.parametrize("vehicle", ["a%2Fb", "a.b", "..a", "a b", "ü", "%", "{vehicle_id}", "a;b", "a:b"])
def test_vehicles_may_have_odd_names(open_interface: Interface, vehicle: str) -> None:
    """What is odd in them is only refused where it is another path."""
    assert open_interface.ask("GET", f"/vehicles/{vehicle}/state").status_code in (200, 404)


def test_head_is_get_without_the_body(open_interface: Interface) -> None:
    """Also of a live stream, which would never end."""
    answer = open_interface.ask("HEAD", STATE)
    got = open_interface.ask("GET", STATE)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == got.headers["content-length"]
    assert open_interface.ask("HEAD", "/stream").status_code == 200
    assert open_interface.ask("HEAD", "/health").content == b""
    assert open_interface.ask("HEAD", "/nothing").status_code == 404


@pytest.mark.parametrize("method", ["TRACE", "PUT", "PATCH", "DELETE", "PROPFIND", "A" * 30])
def test_other_methods_are_answered(open_interface: Interface, method: str) -> None:
    """No route has them, and the metrics count them as one."""
    answer = open_interface.ask(method, STATE, headers={"origin": "http://localhost"})
    assert kind_of(answer) == "method-not-allowed"
    assert open_interface.ask(method, "/health").status_code == 405


def test_pages_of_other_origins_may_not_ask(open_interface: Interface) -> None:
    """Unless the settings say so."""
    headers = {"origin": "https://fleet.example.com", "access-control-request-method": "GET"}
    refused = open_interface.ask("OPTIONS", STATE, headers=headers)
    assert kind_of(refused) == "forbidden"
    answer = open_interface.ask("GET", STATE, headers={"origin": "https://fleet.example.com"})
    assert "access-control-allow-origin" not in answer.headers
    assert open_interface.ask("OPTIONS", "/unread").json() == {"method": "OPTIONS"}


def test_pages_of_an_allowed_origin_may_ask_and_no_other(tmp_path: Path, reader_key: str) -> None:
    """A preflight has no key: browsers send none with it."""
    interface = Interface(tmp_path, http=HttpSettings(allowed_origins=("https://fleet.example.com",)))
    preflight = {
        "origin": "https://fleet.example.com",
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization",
    }
    answer = interface.ask("OPTIONS", STATE, headers=preflight)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "https://fleet.example.com"
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers

    answer = interface.ask("GET", STATE, key=reader_key, headers={"origin": "https://fleet.example.com"})
    assert answer.headers["access-control-allow-origin"] == "https://fleet.example.com"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    for other in ("https://fleet.example.com.evil.com", "http://fleet.example.com", "null", "*"):
        answer = interface.ask("GET", STATE, key=reader_key, headers={"origin": other})
        assert "access-control-allow-origin" not in answer.headers
        assert kind_of(interface.ask("OPTIONS", STATE, headers={**preflight, "origin": other})) == "forbidden"


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


def test_a_request_is_one_line_of_the_log(tmp_path: Path, reader_key: str, logs: list[Any]) -> None:
    """Who, what, how long; never the key or what stands behind the question mark."""
    answer = Interface(tmp_path).ask("GET", f"{STATE}?token=said-aloud", key=reader_key)
    line = next(each for each in logs if each["event"] == "request")
    assert {name: line[name] for name in ("method", "path", "route", "status", "principal", "client")} == {
        "method": "GET",
        "path": STATE,
        "route": "/vehicles/{vehicle_id}/state",
        "status": 200,
        "principal": "reader",
        "client": "127.0.0.1",
    }
    assert (line["bytes"], line["request_id"]) == (len(answer.content), answer.headers["x-request-id"])
    assert line["ms"] >= 0
    assert reader_key not in str(logs)
    assert "said-aloud" not in str(logs)


def test_who_read_which_position_is_in_the_log(tmp_path: Path, reader_key: str, logs: list[Any]) -> None:
    """Only if somebody did."""
    interface = Interface(tmp_path)
    interface.ask("GET", "/unread", key=reader_key)
    assert [each for each in logs if each["event"] == "positions_read"] == []
    answer = interface.ask("GET", STATE, key=reader_key)
    lines = [each for each in logs if each["event"] == "positions_read"]
    assert len(lines) == 1
    assert (lines[0]["vehicles"], lines[0]["principal"]) == (["V1"], "reader")
    assert lines[0]["route"] == "/vehicles/{vehicle_id}/state"
    assert lines[0]["request_id"] == answer.headers["x-request-id"]


def test_the_crowd_of_probes_is_not_logged(open_interface: Interface, logs: list[Any]) -> None:
    """Every second of every process; what is wrong is."""
    open_interface.ask("GET", "/health")
    open_interface.ask("GET", "/ready")
    assert [each for each in logs if each["event"] == "request"] == []
    open_interface.ask("POST", "/health")
    assert [each["status"] for each in logs if each["event"] == "request"] == [405]


def test_only_a_proxy_of_ours_names_a_request(tmp_path: Path) -> None:
    """And not with what would break a log."""
    interface = Interface(tmp_path, http=HttpSettings(trusted_proxies=("10.0.0.1",)))

    def named(value: str, peer: str) -> str:
        answer = interface.ask("GET", STATE, peer=peer, headers={"x-request-id": value})
        return str(answer.headers["x-request-id"])

    assert named("abc-1", "10.0.0.1") == "abc-1"
    assert named("abc-1", "127.0.0.1") != "abc-1"
    assert named('a"}{"b', "10.0.0.1") != 'a"}{"b'
    assert len(named("x" * 65, "10.0.0.1")) == 32


def test_metrics_have_few_labels_whatever_is_asked(open_interface: Interface) -> None:
    """A scan of ten thousand paths is one series."""
    for number in range(20):
        open_interface.ask("GET", f"/scan/{number}")
        open_interface.ask(f"M{number}", "/scan")
        open_interface.ask("GET", f"/vehicles/V{number}/state")
    count = open_interface.count
    assert count("fleetlake_http_requests_total", method="GET", route="other", status="404") == 20
    assert count("fleetlake_http_requests_total", method="other", route="other", status="404") == 20
    route = "/vehicles/{vehicle_id}/state"
    assert count("fleetlake_http_requests_total", method="GET", route=route, status="200") == 20
    assert count("fleetlake_http_request_seconds_count", route=route) == 20
    assert count("fleetlake_http_in_flight") == 0
    series = [each for family in open_interface.registry.collect() for each in family.samples]
    assert len({each.labels["route"] for each in series if "route" in each.labels}) == 2


def test_what_is_refused_is_counted_by_its_reason(tmp_path: Path, reader_key: str) -> None:
    """What an application refuses is not: a vehicle that is not there is no attack."""
    interface = Interface(tmp_path, http=HttpSettings(body_bytes=10))
    interface.ask("GET", STATE)
    interface.ask("GET", "/problem", key=reader_key)
    interface.ask("POST", "/ingest", key=reader_key, content=b"x" * 11)
    count = interface.count
    assert count("fleetlake_http_refused_total", reason="unauthenticated") == 1
    assert count("fleetlake_http_refused_total", reason="too-large") == 1
    assert count("fleetlake_http_refused_total", reason="in-progress") == 0


def test_ready_names_what_is_away_and_no_more(tmp_path: Path, logs: list[Any]) -> None:
    """The reason is for the log; the state of a second ago is good enough."""
    asked = 0

    async def ready() -> Mapping[str, str | None]:
        nonlocal asked
        asked += 1
        return {"kafka": FROM_THE_INSIDE, "lake": None}

    interface = Interface(tmp_path, ready=ready)
    answers = [interface.ask("GET", "/ready") for _ in range(5)]
    assert {answer.status_code for answer in answers} == {503}
    assert kind_of(answers[0]) == "unavailable"
    assert answers[0].json()["parts"] == ["kafka"]
    assert asked == 1
    assert [each["parts"] for each in logs if each["event"] == "not_ready"] == [{"kafka": FROM_THE_INSIDE}]
    assert interface.ask("GET", "/health").json() == {"status": "alive"}


def test_who_cannot_tell_is_not_ready(tmp_path: Path) -> None:
    """A check that fails, or never ends, is no good news."""

    async def fails() -> Mapping[str, str | None]:
        raise RuntimeError(FROM_THE_INSIDE)

    async def hangs() -> Mapping[str, str | None]:
        await asyncio.sleep(3600)
        return {}

    assert kind_of(Interface(tmp_path, ready=fails).ask("GET", "/ready")) == "unavailable"
    interface = Interface(tmp_path, ready=hangs)
    interface.shell._own._patience_seconds = 0.05
    assert kind_of(interface.ask("GET", "/ready")) == "unavailable"


def test_ready_is_ready(open_interface: Interface) -> None:
    """With the names of what it rests on."""
    assert open_interface.ask("GET", "/ready").json() == {"status": "ready", "parts": ["store"]}


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
