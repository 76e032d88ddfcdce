"""What the shell writes down of requests: a line of the log each, who read positions, and counts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.access import Scope
from fleetlake.web import journal
from fleetlake.web.settings import HttpSettings
from tests.interfaces import Interface

STATE = "/vehicles/V1/state"
pytestmark = pytest.mark.usefixtures("logs")


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


def test_more_vehicles_than_a_line_has_room_for_are_counted(
    tmp_path: Path, make_key: Callable[..., str], logs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the fleets that they are of, where the key says so."""
    monkeypatch.setattr(journal, "MOST_NAMED", 0)
    key = make_key("north", Scope.READ, fleets=frozenset({"north"}))
    Interface(tmp_path).ask("GET", STATE, key=key)
    (line,) = (each for each in logs if each["event"] == "positions_read")
    assert (line["vehicles_read"], line["fleets"]) == (1, ["north"])
    assert "vehicles" not in line


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
