"""What the shell does around an application: headers, problems, paths, methods and origins."""

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

from fleetlake.web.headers import SAFE
from fleetlake.web.problems import EXCEPTION_HANDLERS
from fleetlake.web.settings import HttpSettings
from tests.interfaces import FROM_THE_INSIDE, Interface, document_of, kind_of, status_of, talk

STATE = "/vehicles/V1/state"
pytestmark = pytest.mark.usefixtures("logs")


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
    assert "X-Next-Cursor" in answer.headers["access-control-expose-headers"]
    assert answer.headers["access-control-allow-origin"] == "https://fleet.example.com"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    for other in ("https://fleet.example.com.evil.com", "http://fleet.example.com", "null", "*"):
        answer = interface.ask("GET", STATE, key=reader_key, headers={"origin": other})
        assert "access-control-allow-origin" not in answer.headers
        assert kind_of(interface.ask("OPTIONS", STATE, headers={**preflight, "origin": other})) == "forbidden"
