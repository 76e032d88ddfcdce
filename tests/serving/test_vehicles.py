"""Which vehicles there are, and their state: now, and at a moment."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest

from lake.reading import LakeReader, Question
from serving.state_at import NO_DAY, is_all
from tests.serving.scene import NOON, YESTERDAY, Api, Scene, api


def test_a_state_names_the_message_of_each_value(fleet: Api) -> None:
    """With the unit of the catalog."""
    found = fleet.get("/vehicles/N1/state").json()
    assert {name: found[name] for name in ("vehicle_id", "fleet", "at", "last_time")} == {
        "vehicle_id": "N1",
        "fleet": "north",
        "at": None,
        "last_time": "2026-03-10T12:00:00.000Z",
    }
    speed = next(row for row in found["signals"] if row["signal"] == "speed")
    assert (speed["value"], speed["unit"], speed["sensor"]) == (50.0, "km/h", None)
    assert speed["topic"] == "car.telemetry.v1"


def test_a_state_at_a_moment_comes_from_the_history(fleet: Api) -> None:
    """What has landed a moment ago is part of it; what came later is not."""

    def speed(at: str) -> object:
        found = fleet.get("/vehicles/N2/state", params={"at": at}).json()
        return next(row["value"] for row in found["signals"] if row["signal"] == "speed")

    assert speed("2026-03-09T12:00:10Z") == 51.0
    assert speed("2026-03-09T17:00:00Z") == 200.0
    assert speed("2026-03-10T12:59:59Z") == 0.0
    assert speed("2026-03-10T13:00:00Z") == 191.0
    before = fleet.get("/vehicles/N2/state", params={"at": "2026-03-01T00:00:00Z"})
    assert before.status_code == 404
    assert "nothing is known of this vehicle by 2026-03-01T00:00:00.000Z" in before.json()["detail"]


def test_a_vehicle_that_can_stand_in_no_path_is_asked_for_by_a_parameter(own: Scene) -> None:
    """What clients and proxies make of such a path is another one."""
    odd = ["a//b", "..", "a/../b"]
    with api(own.settings) as client:
        for vehicle in odd:
            own.write(vehicle, {"speed": 7.0})
            found = client.get("/latest", params={"car_id": vehicle})
            assert (found.status_code, found.json()["speed"]) == (200, 7.0)
            assert client.get("/alerts", params={"vehicle": vehicle}).status_code == 200


def test_of_two_values_of_one_moment_the_state_at_it_has_the_greater(own: Scene) -> None:
    """By the order that the live state keeps to: a text is above a number."""
    own.land(("N1", NOON, {"soc": 50.0, "gear": "D"}), ("N1", NOON, {"soc": 60.0, "gear": "P"}))
    own.land(("N1", NOON - timedelta(hours=1), {"soc": 90.0}))
    with api(own.settings) as client:
        found = client.get("/vehicles/N1/state", params={"at": "2026-03-10T12:00:00Z"}).json()
    assert {row["signal"]: row["value"] for row in found["signals"]} == {"gear": "P", "soc": 60.0}


def test_a_state_at_a_moment_reads_no_more_days_than_it_must(
    own: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two where the vehicle says everything every day, all of them for what it said long ago, and where
    nobody knows what it says."""
    ask, first_days = LakeReader.ask, list[date]()

    def noted(lake: LakeReader, question: Question, sql: str, parameters: Mapping[str, Any]) -> pa.Table:
        if "first" in parameters:
            first_days.append(parameters["first"])
        return ask(lake, question, sql, parameters)

    monkeypatch.setattr(LakeReader, "ask", noted)
    ages = {"speed": 0, "soc": 10, "odometer": 300}
    for vehicle, signals in (("N1", ["speed"]), ("N2", ["speed", "soc"]), ("S1", list(ages))):
        own.land(*[(vehicle, NOON - timedelta(days=ages[name]), {name: 1.0}) for name in signals])
        own.write(vehicle, dict.fromkeys(signals, 1.0))
    own.land(("U1", NOON, {"speed": 1.0}))
    found, read = {}, {}
    with api(own.settings) as client:
        for vehicle in ("N1", "N2", "S1", "U1"):
            first_days.clear()
            state = client.get(f"/vehicles/{vehicle}/state", params={"at": "2026-03-10T12:00:00Z"}).json()
            found[vehicle] = {row["signal"] for row in state["signals"]}
            read[vehicle] = [(NOON.date() - day).days for day in first_days]
    whole = (NOON.date() - NO_DAY).days
    assert found == {"N1": {"speed"}, "N2": {"speed", "soc"}, "S1": set(ages), "U1": {"speed"}}
    assert read == {"N1": [1], "N2": [1, 15], "S1": [1, 15, 127, whole], "U1": [whole]}


def test_a_value_whose_time_was_put_back_into_the_day_before_settles_nothing() -> None:
    """A clock was ahead: the day before may have a newer one. Nor does a signal that is still missing."""
    first = date(2026, 3, 9)
    midnight = datetime(2026, 3, 9, tzinfo=UTC)
    speed = {"signal": "speed", "sensor": None, "time": midnight}
    late = {"signal": "soc", "sensor": None, "time": midnight - timedelta(seconds=1)}
    assert is_all([speed], {("speed", None)}, first)
    assert not is_all([speed], {("speed", None), ("pressure", "left")}, first)
    assert not is_all([speed, late], {("speed", None)}, first)


@pytest.mark.parametrize(
    "name",
    ["nobody", '{"$gt": ""}', "$where", "a/b", "..", "%00", "é😀", "V 1", "'; drop table x --", "x" * 256],
)
def test_a_vehicle_that_is_not_there_is_not_found(fleet: Api, name: str) -> None:
    """Whatever it is called: an operator is a name like any other."""
    answer = fleet.get(f"/vehicles/{quote(name, safe='')}/state")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_vehicle_may_have_any_name(own: Scene) -> None:
    """Also one with a slash in it."""
    for name in ("a/b/state", "é 😀", "$set"):
        own.write(name, {"speed": 1.0})
    with api(own.settings) as client:
        for name in ("a/b/state", "é 😀", "$set"):
            assert client.get(f"/vehicles/{quote(name, safe='')}/state").json()["vehicle_id"] == name
        assert client.get(f"/vehicles/{'x' * 257}/state").status_code == 400


def test_all_vehicles_are_listed_once_in_the_order_of_their_ids(own: Scene) -> None:
    """Registered ones that never said anything, too; while others come."""
    names = [f"V{number:03}" for number in range(25)]
    for name in names:
        own.write(name, {"speed": 1.0})
    with api(own.settings) as client:
        first = client.get("/vehicles", params={"limit": 10}).json()
        own.write("A0", {"speed": 1.0})
        own.write("Z9", {"speed": 1.0})
        found, cursor = [row["vehicle_id"] for row in first["vehicles"]], first["next_cursor"]
        while cursor is not None:
            page = client.get("/vehicles", params={"limit": 7, "cursor": cursor}).json()
            found += [row["vehicle_id"] for row in page["vehicles"]]
            cursor = page["next_cursor"]
    assert found == sorted(["N1", "N2", "S1", *names, "Z9"])
    assert first["vehicles"][0] == {
        "vehicle_id": "N1",
        "fleet": "north",
        "model": "Twizy",
        "last_time": None,
    }


def test_a_fleet_is_listed_by_itself(fleet: Api) -> None:
    """An unknown one has no vehicles."""
    assert [row["vehicle_id"] for row in fleet.rows("/vehicles", "vehicles", fleet="north")] == ["N1", "N2"]
    assert fleet.rows("/vehicles", "vehicles", fleet="nowhere") == []


def test_the_map_shows_vehicles_within_a_box(fleet: Api) -> None:
    """As GeoJSON: longitude first."""
    found = fleet.get("/fleet/latest", params={"bbox": "13.5,52.5,14.5,53.5"}).json()
    (vehicle,) = found["features"]
    assert vehicle["geometry"] == {"type": "Point", "coordinates": [14.0, 53.0]}
    assert vehicle["properties"] == {
        "vehicle_id": "N2",
        "fleet": "north",
        "time": "2026-03-10T12:00:00.000Z",
        "speed": 50.0,
        "soc": 80.0,
        "ignition": True,
        "charge_state": None,
    }
    assert len(fleet.get("/fleet/latest").json()["features"]) == 4
    assert len(fleet.get("/fleet/latest", params={"fleet": "south"}).json()["features"]) == 1


def test_a_trip_is_drawn_with_the_moments_of_its_places(fleet: Api) -> None:
    """Newest first in the list; a line of longitude and latitude."""
    trips = fleet.rows(
        "/vehicles/N1/trips", "trips", **{"from": "2026-03-08T00:00:00Z", "to": "2026-03-11T00:00:00Z"}
    )
    assert [row["start_time"] for row in trips] == ["2026-03-09T15:00:00Z", "2026-03-09T12:00:00Z"]
    found = fleet.get(f"/trips/{trips[0]['trip_id']}").json()
    line = found["geometry"]["coordinates"]
    assert line[0] == [13.4, 52.5]
    assert len(line) == len(found["properties"]["times"]) == 60
    assert found["properties"]["distance_km"] == trips[0]["distance_km"] > 1
    assert fleet.get("/trips/nothing").status_code == 404


def test_connected_cars_are_shown_as_their_dashboards_know_them(fleet: Api) -> None:
    """`/latest` and the course of the speed."""
    assert fleet.get("/latest", params={"car_id": "N1"}).json() == {
        "car_id": "N1",
        "timestamp": "2026-03-10T12:00:00.000Z",
        "speed": 50.0,
        "rpm": None,
        "engine_temp": None,
        "fuel_level": None,
        "latitude": 52.0,
        "longitude": 13.0,
    }
    window = {"from": "2026-03-10T12:00:00Z", "to": "2026-03-10T13:10:00Z"}
    found = fleet.get("/series/speed", params={"car_id": "N1", **window}).json()
    assert max(point["maximum"] for point in found["points"]) == 190.0
    assert fleet.get("/latest", params={"car_id": "nobody"}).status_code == 404
    cars = fleet.rows("/latest", "cars", limit=3)
    assert [car["car_id"] for car in cars] == ["N1", "N2", "S1", "U1"]
    assert cars[0] == fleet.get("/latest", params={"car_id": "N1"}).json()


def test_sensor_readings_of_one_moment_are_one_row(own: Scene) -> None:
    """Sent twice, and once with another value: the greatest counts. Page by page, each once."""
    topic = "sensor.telemetry.v1"
    place = {"latitude": 12.97, "longitude": 77.59}
    for value in (25.4, 25.4, 26.0):
        own.land(("sensor_1", YESTERDAY, {"temperature": value, "humidity": 60.2, **place}), topic=topic)
    own.increment()
    own.land(("sensor_2", YESTERDAY, {"temperature": 1.0}), topic=topic)
    own.land(
        *[("sensor_1", YESTERDAY + timedelta(seconds=n), {"humidity": 1.0 * n}) for n in (1, 2, 3)],
        topic=topic,
    )
    window = {"from": "2026-03-09T00:00:00Z", "to": "2026-03-10T00:00:00Z"}
    with api(own.settings) as client:
        found = client.rows("/data", "data", limit=2, **window)
        one = client.rows("/data", "data", sensor_id="sensor_2", **window)
    assert found[0] == {
        "sensor_id": "sensor_1",
        "timestamp": "2026-03-09T12:00:00Z",
        "temperature": 26.0,
        "humidity": 60.2,
        "location": place,
    }
    assert [(row["sensor_id"], row["humidity"]) for row in found] == [
        ("sensor_1", 60.2),
        ("sensor_2", None),
        ("sensor_1", 1.0),
        ("sensor_1", 2.0),
        ("sensor_1", 3.0),
    ]
    assert [row["location"] for row in one] == [None]


def test_the_map_follows_what_is_written(own: Scene) -> None:
    """Vehicles that move, and new ones, between two whole readings of the fleet."""
    own.write("N1", {"latitude": 1.0, "longitude": 1.0, "charge_state": "charging"})
    with api(own.settings) as client:
        (first,) = client.get("/fleet/latest").json()["features"]
        assert first["properties"]["charge_state"] == "charging"

        def places() -> dict[str, list[float]]:
            found = client.get("/fleet/latest").json()["features"]
            return {each["properties"]["vehicle_id"]: each["geometry"]["coordinates"] for each in found}

        assert places() == {"N1": [1.0, 1.0]}
        own.write("N1", {"latitude": 2.0, "longitude": 1.0}, NOON + timedelta(seconds=1))
        own.write("U9", {"latitude": 3.0, "longitude": 3.0})
        assert places() == {"N1": [1.0, 2.0], "U9": [3.0, 3.0]}
