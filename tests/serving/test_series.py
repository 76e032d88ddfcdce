"""The course of a signal is the same wherever it is read from, and no peak is lost in it."""

import statistics
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.times import iso_text
from lake.reading import Outlook
from lake.settings import LakeSettings, MongoSettings
from serving.questions import of_silver, text
from serving.series import MINUTES, Point, runs
from tests.serving.scene import NOON, YESTERDAY, Api, Scene, api, settings_of

DAY = {"from": "2026-03-09T00:00:00Z", "to": "2026-03-10T00:00:00Z"}
BOTH = {"from": "2026-03-09T00:00:00Z", "to": "2026-03-11T00:00:00Z"}

MOMENTS = st.integers(0, 2 * 86_400 - 1).map(
    lambda seconds: YESTERDAY.replace(hour=0) + timedelta(seconds=seconds)
)
READINGS = st.lists(st.tuples(MOMENTS, st.floats(-1e6, 1e6)), min_size=1, max_size=30)
STEPS = st.sampled_from([30, 60, 90, 120, 3600, 86_400, 7 * 86_400])


def expected(readings: list[tuple[datetime, float]], step_s: int) -> list[dict[str, Any]]:
    """By hand, of distinct readings."""
    steps: defaultdict[int, list[tuple[datetime, float]]] = defaultdict(list)
    for moment, value in dict.fromkeys(readings):
        time_us = int(moment.timestamp()) * 1_000_000
        steps[time_us - time_us % (step_s * 1_000_000)].append((moment, value))
    return [
        {
            "time": iso_text(begin_us).replace(".000Z", "Z"),
            "readings": len(found),
            "minimum": min(value for _, value in found),
            "maximum": max(value for _, value in found),
            "average": pytest.approx(statistics.fmean(value for _, value in found), abs=1e-6),
            "last": max(found)[1],
            "last_text": None,
        }
        for begin_us, found in sorted(steps.items())
    ]


@pytest.fixture(scope="module")
def course(
    tmp_path_factory: pytest.TempPathFactory, shared_mongo: MongoSettings
) -> Iterator[tuple[Scene, Api]]:
    """A lake that all examples land in, each with a vehicle of its own, and the API over it."""
    folder = tmp_path_factory.mktemp("series")
    scene = Scene(settings_of(folder, LakeSettings(uri=str(folder / "lake")), shared_mongo))
    scene.state.close()
    with api(scene.settings) as client:
        yield scene, client


@pytest.mark.local_lake
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(landed=st.lists(READINGS, min_size=1, max_size=3), step_s=STEPS, is_made=st.booleans())
def test_every_step_has_the_peaks_of_its_readings(
    course: tuple[Scene, Api], landed: list[list[tuple[datetime, float]]], step_s: int, is_made: bool
) -> None:
    """Of readings in the marts, of those in silver, and of those that have landed a moment ago."""
    scene, client = course
    vehicle = f"V{scene.sent}"
    for number, readings in enumerate(landed):
        scene.land(*[(vehicle, moment, {"speed": value}) for moment, value in readings])
        if number == 0 and is_made:
            scene.build(MINUTES)
        elif number == 1:
            scene.increment()
    answer = client.get(f"/vehicles/{vehicle}/series", params={"signal": "speed", "step": step_s, **BOTH})
    assert answer.status_code == 200, answer.text
    assert answer.json()["points"] == expected([each for part in landed for each in part], step_s)


def test_a_step_is_chosen_for_a_thousand_points(fleet: Api) -> None:
    """Of a day, two minutes; of an hour, some seconds. The unit is the catalog's."""
    found = fleet.get("/vehicles/N1/series", params={"signal": "speed", **DAY}).json()
    assert (found["vehicle_id"], found["signal"], found["unit"], found["step_s"]) == (
        "N1",
        "speed",
        "km/h",
        120,
    )
    assert found["points"][0] == {
        "time": "2026-03-09T12:00:00Z",
        "readings": 12,
        "minimum": 50.0,
        "maximum": 56.0,
        "average": pytest.approx(631 / 12),
        "last": 54.0,
        "last_text": None,
    }
    hour = {"from": "2026-03-09T12:00:00Z", "to": "2026-03-09T13:00:00Z"}
    assert fleet.get("/vehicles/N1/series", params={"signal": "speed", **hour}).json()["step_s"] == 5


def test_a_text_has_a_last_value_and_no_peaks(own: Scene) -> None:
    """And an unknown signal no unit."""
    own.land(
        ("N1", NOON, {"gear": "P", "own%2ename": 1.0}), ("N1", NOON + timedelta(seconds=1), {"gear": "D"})
    )
    window = {"from": "2026-03-10T12:00:00Z", "to": "2026-03-10T13:00:00Z", "step": 3600}
    with api(own.settings) as client:
        (point,) = client.get("/vehicles/N1/series", params={"signal": "gear", **window}).json()["points"]
        unknown = client.get("/vehicles/N1/series", params={"signal": "own%2ename", **window}).json()
    assert (point["minimum"], point["average"], point["last"], point["last_text"]) == (None, None, None, "D")
    assert (unknown["unit"], unknown["points"][0]["maximum"]) == (None, 1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"step": 1},
        {"step": 0},
        {"step": "x"},
        {"from": "2024-01-01T00:00:00Z"},
        {"to": "2026-03-08T00:00:00Z"},
        {"from": "now"},
        {"signal": ""},
        {"signal": "x" * 400},
    ],
)
def test_a_series_that_cannot_be_is_refused_with_the_name_of_the_parameter(
    fleet: Api, wrong: dict[str, str | int]
) -> None:
    """And with what it should be."""
    answer = fleet.get("/vehicles/N1/series", params={"signal": "speed", **DAY, **wrong})
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["name"] in {*wrong, "from"}
    assert error["problem"]


def test_an_answer_is_kept_until_it_changes(fleet: Api) -> None:
    """By its ETag, a client that has it gets nothing more."""
    asked = {"signal": "speed", **DAY}
    first = fleet.get("/vehicles/N1/series", params=asked)
    assert first.headers["cache-control"].startswith("private")
    again = fleet.get("/vehicles/N1/series", params=asked, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


TODAY = date(2026, 3, 10)
DAYS = [TODAY - timedelta(days=number) for number in range(9, -1, -1)]


def test_days_are_read_where_the_newest_of_them_is() -> None:
    """Minutes for days that are made, readings of silver for steps below a minute, what has landed for its
    days."""
    outlook = Outlook(frozenset(DAYS), frozenset({TODAY}), {MINUTES: frozenset(DAYS[:-2])})
    minutes, silver, live = text("series_minutes"), of_silver("series_readings"), text("series_readings")
    assert list(runs(outlook, DAYS, is_of_minutes=True)) == [
        (minutes, DAYS[:-2]),
        (silver, DAYS[-2:-1]),
        (live, DAYS[-1:]),
    ]
    assert [question for question, _ in runs(outlook, DAYS, is_of_minutes=False)] == [silver, live]
    unknown = Outlook(frozenset(), None, {})
    assert list(runs(unknown, DAYS, is_of_minutes=True)) == [(live, DAYS)]
    patchwork = Outlook(frozenset(DAYS), frozenset(DAYS[::2]), {MINUTES: frozenset(DAYS)})
    assert list(runs(patchwork, DAYS, is_of_minutes=True)) == [(live, DAYS)]


def test_a_step_across_two_places_is_one_step() -> None:
    """A week, of which today is read from elsewhere."""
    point = Point(0, 4, 4, 1.0, 9.0, 5.0, 2.0, None)
    point.take(Point(0, 4, 1, -1.0, 3.0, 10.0, None, "P"))
    assert point == Point(0, 8, 5, -1.0, 9.0, 6.0, None, "P")
    point.take(Point(0, 1, 0, None, None, None, None, "D"))
    assert (point.readings, point.average, point.minimum) == (9, 6.0, -1.0)


def test_a_day_that_changed_after_its_minutes_were_made_is_read_anew(own: Scene) -> None:
    """Whether silver has the late reading, or it has only landed."""
    own.land(("N1", YESTERDAY, {"speed": 10.0}))
    own.build(MINUTES)
    asked = {"signal": "speed", "step": 60, **DAY}
    with api(own.settings) as client:

        def peak() -> float:
            points = client.get("/vehicles/N1/series", params=asked).json()["points"]
            return float(max(point["maximum"] for point in points))

        assert peak() == 10.0
        own.land(("N1", YESTERDAY + timedelta(seconds=5), {"speed": 20.0}))
        assert peak() == 20.0
        own.increment()
        assert peak() == 20.0
        own.land(("N1", YESTERDAY + timedelta(seconds=6), {"speed": 30.0}))
        own.build(MINUTES)
        assert peak() == 30.0
