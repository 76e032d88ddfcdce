"""A key that is for some fleets sees nothing of others: in no list, no stream, no count."""

import json
from typing import Any

import pytest

from tests.serving.scene import Api

NORTH = {"x-fleets": "north"}
ALL = {"from": "2026-03-08T00:00:00Z", "to": "2026-03-12T00:00:00Z"}


@pytest.mark.parametrize(
    "path",
    [
        "/vehicles/{}/state",
        "/vehicles/{}/state?at=2026-03-10T00:00:00Z",
        "/vehicles/{}/series?signal=speed",
        "/vehicles/{}/trips",
        "/charging-sessions?vehicle={}",
        "/anomalies?vehicle={}",
        "/alerts?vehicle={}",
        "/latest?car_id={}",
        "/series/speed?car_id={}",
        "/data?sensor_id={}",
        "/stream?vehicle={}",
    ],
)
@pytest.mark.parametrize("vehicle", ["S1", "U1", "nobody"])
def test_a_vehicle_of_others_is_one_that_does_not_exist(fleet: Api, path: str, vehicle: str) -> None:
    """The answer is the same for one of another fleet, of none, and for one that nobody knows."""
    answer = fleet.get(path.format(vehicle), headers=NORTH)
    assert answer.status_code == 404
    assert answer.json() == {
        "type": "urn:fleetlake:problem:not-found",
        "title": "Not found",
        "status": 404,
        "detail": "there is no such vehicle",
    }


@pytest.mark.parametrize(
    "path",
    [
        "/vehicles",
        "/charging-sessions",
        "/anomalies",
        "/fleet/latest",
        "/data",
        "/latest",
        "/alerts",
        "/series/anomalies",
    ],
)
def test_lists_have_only_vehicles_of_their_fleets(fleet: Api, path: str) -> None:
    """Every text of the answer is looked through."""
    windowed = {} if path in ("/vehicles", "/fleet/latest", "/latest", "/alerts") else ALL
    answer = fleet.get(path, params=windowed, headers=NORTH)
    assert answer.status_code == 200
    assert not {"S1", "U1"} & set(texts(answer.json()))
    if path not in ("/charging-sessions", "/alerts", "/series/anomalies"):
        assert {"N1", "N2"} <= set(texts(answer.json()))
    if path == "/series/anomalies":
        assert {point["vehicles"] for point in answer.json()["points"]} == {2}


def texts(content: Any) -> list[str]:
    if isinstance(content, dict):
        return [each for value in content.values() for each in texts(value)]
    if isinstance(content, list):
        return [each for value in content for each in texts(value)]
    return [content] if isinstance(content, str) else []


def test_a_fleet_of_others_has_no_vehicles(fleet: Api) -> None:
    """To whoever is not of it."""
    for path, member in (("/vehicles", "vehicles"), ("/fleet/latest", "features")):
        assert fleet.get(path, params={"fleet": "south"}, headers=NORTH).json()[member] == []


def test_a_trip_of_others_does_not_exist(fleet: Api) -> None:
    """Its id is of no use."""
    (trip, *_) = fleet.get("/vehicles/S1/trips", params=ALL).json()["trips"]
    assert fleet.get(f"/trips/{trip['trip_id']}").status_code == 200
    assert fleet.get(f"/trips/{trip['trip_id']}", headers=NORTH).status_code == 404


def test_what_is_counted_over_all_fleets_is_for_who_sees_all(fleet: Api) -> None:
    """And SQL, which sees everything."""
    assert fleet.get("/quality", params=ALL, headers=NORTH).status_code == 403
    answer = fleet.post("/sql", json={"sql": "select 1"}, headers={**NORTH, "x-scopes": "read sql admin"})
    assert answer.status_code == 403


def test_a_cursor_of_others_shows_no_more_than_without_it(fleet: Api) -> None:
    """It says where to go on, and not what may be seen."""
    cursor = fleet.get("/anomalies", params={"limit": 1, **ALL}).json()["next_cursor"]
    answer = fleet.get("/anomalies", params={"cursor": cursor, **ALL}, headers=NORTH)
    assert not {"S1", "U1"} & set(texts(answer.json()))


@pytest.mark.parametrize("scopes", ["ingest", "sql"])
def test_a_key_that_may_not_read_reads_nothing(fleet: Api, scopes: str) -> None:
    """Of all routes of the document, /sql has a scope of its own."""
    paths = fleet.get("/openapi.json").json()["paths"]
    needed = {"signal": "speed", "car_id": "N1"}
    for path, operations in paths.items():
        if path == "/sql":
            continue
        known = {each["name"] for each in operations["get"].get("parameters", ())}
        given = {name: value for name, value in needed.items() if name in known}
        filled = path.replace("{vehicle_id}", "N1").replace("{trip_id}", "1.TjE")
        answer = fleet.get(filled, params=given, headers={"x-scopes": scopes})
        assert answer.status_code == 403, path
    assert fleet.post("/sql", json={"sql": "select 1"}, headers={"x-scopes": "read"}).status_code == 403


def test_who_read_which_positions_is_noted(fleet: Api) -> None:
    """For the audit log of the shell: vehicles by name, or everybody."""
    fleet.somebody.positions.clear()
    fleet.get("/vehicles/N1/state")
    fleet.get("/vehicles/N1/series", params={"signal": "latitude", **ALL})
    fleet.get("/vehicles/N1/series", params={"signal": "speed", **ALL})
    fleet.get("/fleet/latest")
    fleet.get("/fleet/latest", headers=NORTH)
    fleet.get("/vehicles/S1/state", headers=NORTH)
    noted = [list(each) for each in fleet.somebody.positions]
    assert noted == [["N1"], ["N1"], [], ["*"], ["N1", "N2"], []]


def test_nothing_of_the_inside_is_in_an_error(fleet: Api) -> None:
    """No path, no class, no address."""
    for path in ("/nowhere", "/vehicles/N1/series", "/anomalies?from=x", "/trips/%00"):
        answer = fleet.get(path)
        assert answer.status_code in (400, 404)
        said = json.dumps(answer.json())
        assert not [word for word in ("Traceback", "/tmp", "duckdb", "pymongo", "Error(") if word in said]  # noqa: S108


def test_the_health_says_nothing_that_is_counted_over_all_fleets(fleet: Api) -> None:
    """Only whether the pipeline is well."""
    whole, theirs = (fleet.get("/pipeline/health", headers=each).json() for each in ({}, NORTH))
    assert whole["layers"]
    assert (theirs["sinks"], theirs["layers"], theirs["rejected"]) == ([], [], [])
    assert theirs["status"] in ("ok", "degraded", "down")
    assert all(problem.endswith(" is away") for problem in theirs["problems"])
