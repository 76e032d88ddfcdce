"""Lists of what happened: each row once, newest first, also while rows are added; in any form."""

import io
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from pymongo import MongoClient

from lake.settings import MongoSettings
from tests.serving.scene import NOON, YESTERDAY, Api, Scene, api

ALL = {"from": "2026-03-08T00:00:00Z", "to": "2026-03-12T00:00:00Z"}


def test_anomalies_are_listed_with_those_of_the_last_seconds(fleet: Api) -> None:
    """Of the day that is made, and of what has only landed; newest first."""
    found = fleet.rows("/anomalies", "anomalies", limit=3, **ALL)
    assert [(row["vehicle_id"], row["value"]) for row in found if row["event_time"] > "2026-03-10"] == [
        (row["vehicle_id"], row["value"])
        for row in sorted(found, key=lambda row: row["anomaly_id"])
        if row["event_time"] > "2026-03-10"
    ]
    assert sorted((row["vehicle_id"], row["value"], row["kind"], row["source"]) for row in found) == sorted(
        [
            *[(vehicle, 200.0, "overspeed", "car") for vehicle in ("N1", "N2", "S1", "U1")],
            *[
                (vehicle, 190.0 + number, "overspeed", "car")
                for number, vehicle in enumerate(("N1", "N2", "S1", "U1"))
            ],
        ]
    )
    times = [row["event_time"] for row in found]
    assert times == sorted(times, reverse=True)
    one = fleet.rows("/anomalies", "anomalies", vehicle="S1", kind="overspeed", **ALL)
    assert [row["value"] for row in one] == [192.0, 200.0]
    assert fleet.rows("/anomalies", "anomalies", kind="overheat", **ALL) == []


def test_a_list_shows_every_row_once_while_rows_are_added(own: Scene) -> None:
    """Newer ones are for who begins again; older ones that come late may be seen."""
    for second in range(30):
        own.land(("N1", NOON + timedelta(seconds=second), {"speed": 200.0 + second}))
    with api(own.settings) as client:
        found: list[Any] = []
        cursor: dict[str, str] = {}
        for turn in range(20):
            page = client.get("/anomalies", params={"limit": 7, **ALL, **cursor}).json()
            found += [row["value"] for row in page["anomalies"]]
            own.land(("N1", NOON + timedelta(hours=1, seconds=turn), {"speed": 300.0 + turn}))
            if turn == 1:
                own.build("gold.anomalies")
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
    assert found == [229.0 - number for number in range(30)]


def test_anomalies_are_counted_in_windows_of_ten_seconds(fleet: Api) -> None:
    """Of all sources, or of one."""
    found = fleet.get("/series/anomalies", params=ALL).json()
    assert found["window_s"] == 10
    assert found["points"] == [
        {"timestamp": time, "source": "car", "kind": "overspeed", "anomalies": 4, "vehicles": 4}
        for time in ("2026-03-09T17:00:00Z", "2026-03-10T13:00:00Z")
    ]
    assert fleet.get("/series/anomalies", params={"source": "tcu", **ALL}).json()["points"] == []


def test_charging_sessions_are_listed_newest_first(own: Scene) -> None:
    """Of all vehicles or of one, page by page."""
    for vehicle in ("N1", "S1"):
        for hours in (0, 3):
            begin = YESTERDAY + timedelta(hours=hours)
            charging = [
                (vehicle, begin + timedelta(minutes=minute), {"charge_state": state, "soc": 40.0 + minute})
                for minute, state in ((0, "charging"), (20, "charging"), (30, "complete"))
            ]
            own.land(*charging, at=YESTERDAY)
    own.build("gold.charging_sessions")
    with api(own.settings) as client:
        found = client.rows("/charging-sessions", "charging_sessions", limit=1, **ALL)
        one = client.rows("/charging-sessions", "charging_sessions", vehicle="S1", **ALL)
    assert [(row["vehicle_id"], row["start_time"]) for row in found] == [
        ("N1", "2026-03-09T15:00:00Z"),
        ("S1", "2026-03-09T15:00:00Z"),
        ("N1", "2026-03-09T12:00:00Z"),
        ("S1", "2026-03-09T12:00:00Z"),
    ]
    assert [row["soc_added"] for row in one] == [30.0, 30.0]


def test_quality_is_listed_by_the_day_of_landing(fleet: Api) -> None:
    """The newest day first, whole messages before their signals."""
    found = fleet.rows("/quality", "quality", limit=2, **ALL)
    order = [(row["ingest_date"], row["source"], row["signal"] or "") for row in found]
    assert {day for day, _, _ in order} == {"2026-03-08", "2026-03-09"}
    assert order == sorted(order, key=lambda each: (-int(each[0][-2:]), each[1], each[2]))
    assert len(set(order)) == len(order)
    assert {row["source"] for row in fleet.rows("/quality", "quality", source="sensor", **ALL)} == {"sensor"}


def test_alerts_are_listed_newest_first(own: Scene, mongo_settings: MongoSettings) -> None:
    """Open ones, resolved ones, those of a vehicle; page by page."""
    documents: list[dict[str, Any]] = [
        {
            "_id": f"alert-{number}",
            "rule": "too_fast",
            "vehicle_id": "N1" if number % 2 else "S1",
            "state": "open" if number < 6 else "resolved",
            "opened_us": 1_773_144_000_000_000 + number // 3,
            "resolved_us": None if number < 6 else 1_773_144_000_000_009,
            "value": 200.0,
            "summary": "faster than 180 km/h",
            "severity": "critical",
        }
        for number in range(9)
    ]
    with MongoClient[dict[str, Any]](mongo_settings.uri) as client:
        client[mongo_settings.database]["alerts"].insert_many(documents)
    with api(own.settings) as client_of_api:
        found = client_of_api.rows("/alerts", "alerts", limit=2)
        still = client_of_api.rows("/alerts", "alerts", state="open", limit=4)
        one = client_of_api.rows("/alerts", "alerts", vehicle="N1")
        assert client_of_api.get("/alerts", params={"state": "closed"}).status_code == 400
        client_of_api.somebody.positions.clear()
        client_of_api.get("/alerts", params={"limit": 2})
        client_of_api.get("/alerts?limit=2&vehicle=N1")
        noted = [list(each) for each in client_of_api.somebody.positions]
    assert noted == [["N1", "S1"], ["N1"]], "an alert of an area says where its vehicle was"
    assert [row["alert_id"] for row in found] == [f"alert-{number}" for number in range(8, -1, -1)]
    assert len(still) == 6
    assert {row["vehicle_id"] for row in one} == {"N1"}
    assert found[0] == {
        "alert_id": "alert-8",
        "rule": "too_fast",
        "vehicle_id": "S1",
        "state": "resolved",
        "severity": "critical",
        "opened_time": "2026-03-10T12:00:00.000002Z",
        "resolved_time": "2026-03-10T12:00:00.000009Z",
        "value": 200.0,
        "summary": "faster than 180 km/h",
    }


def test_a_table_comes_in_the_form_that_is_asked_for(fleet: Api) -> None:
    """CSV and Arrow have the same rows as JSON, and say where the next page is."""
    asked = {"limit": 1, **ALL}
    (row,) = fleet.get("/vehicles/N1/trips", params=asked).json()["trips"]
    text = fleet.get("/vehicles/N1/trips", params=asked, headers={"accept": "text/csv"})
    header, line = text.text.splitlines()
    assert dict(zip(header.split(","), line.split(","), strict=True))["start_time"] == row["start_time"]
    assert text.headers["x-next-cursor"]
    arrow = fleet.get(
        "/vehicles/N1/trips",
        params=asked,
        headers={"accept": "application/vnd.apache.arrow.stream, text/csv;q=0.5"},
    )
    with pa.ipc.open_stream(io.BytesIO(arrow.content)) as stream:
        (read,) = stream.read_all().to_pylist()
    assert read["distance_km"] == row["distance_km"]
    refused = fleet.get("/vehicles/N1/trips", params=asked, headers={"accept": "image/png"})
    assert refused.status_code == 406


def test_a_lake_without_any_table_has_empty_lists(own: Scene) -> None:
    """With their columns, in CSV."""
    with api(own.settings) as client:
        for path, member in (
            ("/vehicles/N1/trips", "trips"),
            ("/charging-sessions", "charging_sessions"),
            ("/anomalies", "anomalies"),
            ("/quality", "quality"),
            ("/data", "data"),
            ("/alerts", "alerts"),
        ):
            assert client.get(path).json() == {member: [], "next_cursor": None}
        assert client.get("/charging-sessions", headers={"accept": "text/csv"}).text.startswith("vehicle_id,")
        assert client.get("/vehicles/N1/series", params={"signal": "speed"}).json()["points"] == []


@pytest.mark.parametrize(
    "path", ["/vehicles", "/vehicles/N1/trips", "/anomalies", "/alerts", "/quality", "/data"]
)
@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "eyJhIjoxfQ", "../../etc/passwd", "é", "a" * 3000])
def test_a_cursor_that_nobody_has_made_is_refused(fleet: Api, path: str, cursor: str) -> None:
    """It names the parameter."""
    answer = fleet.get(path, params={"cursor": cursor})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["name"] == "cursor"
