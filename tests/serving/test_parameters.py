"""What clients may write for a time, a place and a page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.problem import Kind, Problem
from contracts.times import iso_text
from serving.cursor import Seal
from serving.marks import TripKey, trip_id, trip_key
from serving.parameters import Box, Windows, box_of, moment_of, time_of
from tests.serving.scene import Api

NOON_US = 1_773_144_000_000_000
DAY_US = 86_400_000_000
VEHICLES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
PLACES = st.lists(st.integers(0, 2**62) | VEHICLES, min_size=1, max_size=4)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-10T12:00:00Z",
        "2026-03-10T12:00:00.000000Z",
        "2026-03-10T13:00:00+01:00",
        "2026-03-10T13:00:00 01:00",
        "2026-03-10T14:00:00+0200",
        "2026-03-10 12:00:00Z",
    ],
)
def test_one_moment_may_be_written_in_several_ways(text: str) -> None:
    """A blank is what becomes of a + that nobody has encoded."""
    assert time_of("at", text) == NOON_US


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-03-10", "2026-03-10T12:00:00", "1773144000", "1999-01-01T00:00:00Z", "$gt"],
)
def test_what_is_no_moment_is_refused_by_name(text: str) -> None:
    """A time without a zone is not guessed at."""
    with pytest.raises(Problem) as refused:
        time_of("at", text)
    assert refused.value.kind is Kind.INVALID_REQUEST
    assert refused.value.more["errors"][0]["name"] == "at"


def test_a_window_ends_after_it_begins_and_is_bounded() -> None:
    """Its end is now where none is given."""
    windows = Windows(longest_days=10)
    found = windows.of(None, None, NOON_US, default_days=1)
    assert found == (NOON_US - DAY_US, NOON_US)
    assert [day.isoformat() for day in found.days()] == ["2026-03-09", "2026-03-10"]
    for begin, end in ((NOON_US, NOON_US), (NOON_US, NOON_US - 1), (NOON_US - 11 * DAY_US, NOON_US)):
        with pytest.raises(Problem):
            windows.of(iso_text(begin), iso_text(end), NOON_US, default_days=1)


def test_a_window_does_not_touch_the_day_that_it_ends_before() -> None:
    """Midnight belongs to the day behind it."""
    found = Windows(10).of("2026-03-09T00:00:00Z", "2026-03-10T00:00:00Z", NOON_US, default_days=1)
    assert found.first == found.last == moment_of(NOON_US - DAY_US).date()


def test_a_box_may_cross_the_date_line() -> None:
    """Where its west is greater than its east."""
    assert box_of("-10.5,30,3,45.25") == Box(-10.5, 30, 3, 45.25)
    pacific = box_of("170,-20,-170,0")
    assert pacific.has(179, -10)
    assert pacific.has(-179, -10)
    assert not pacific.has(0, -10)
    assert not pacific.has(179, 10)


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "0,10,1,5", "0,0,nan,1", "0,0,200,1", "inf,0,1,1"]
)
def test_what_is_no_box_is_refused(text: str) -> None:
    """Also numbers that are none."""
    with pytest.raises(Problem):
        box_of(text)


@given(place=PLACES, listing=st.text(max_size=20))
def test_a_cursor_leads_back_to_its_place(place: list[int | str], listing: str) -> None:
    """Whatever the vehicle is called."""
    seal = Seal(b"key")
    assert seal.place(listing, seal.cursor(listing, place), [type(each) for each in place]) == place


@given(place=PLACES, data=st.data())
def test_a_cursor_that_was_changed_is_refused(place: list[int | str], data: st.DataObject) -> None:
    """One character is enough; so is another list, another key, or other kinds of values."""
    seal, kinds = Seal(b"key"), [type(each) for each in place]
    cursor = seal.cursor("trips", place)
    at = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from("ABab09-_$").filter(lambda each: each != cursor[at]))
    changed = cursor[:at] + other + cursor[at + 1 :]
    tries = [("trips", changed, kinds), ("alerts", cursor, kinds), ("trips", cursor, [*kinds, int])]
    tries += [("trips", cut, kinds) for cut in (cursor[:-1], "", "é", "====", cursor + "A")]
    for listing, tried, expected in tries:
        try:
            found = seal.place(listing, tried, expected)
        except Problem:
            continue
        assert (listing, found) == ("trips", place), "only bits that base64 does not use may differ"
    with pytest.raises(Problem):
        Seal(b"other").place("trips", cursor, kinds)


@given(vehicle=VEHICLES, start_us=st.integers(0, 2**53))
def test_the_id_of_a_trip_names_it(vehicle: str, start_us: int) -> None:
    """In characters that an address takes."""
    key = TripKey(vehicle, start_us)
    assert trip_key(trip_id(key)) == key
    assert set(trip_id(key)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


@given(text=st.text(max_size=30))
def test_what_is_no_id_of_a_trip_is_none(text: str) -> None:
    """And no error."""
    key = trip_key(text)
    assert key is None or trip_id(key) == text


def test_a_parameter_that_no_route_has_is_refused_by_every_route(fleet: Api) -> None:
    """By name, and with those that there are: a typing error must not widen the answer."""
    paths = fleet.get("/openapi.json").json()["paths"]
    for path, operations in paths.items():
        place = path.replace("{vehicle_id}", "N1").replace("{trip_id}", "N1")
        (method,) = operations
        answer = fleet.request(method, place, params={"vehcile": "N1"}, json={"sql": "select 1"})
        assert answer.status_code == 400, path
        (error,) = answer.json()["errors"]
        assert (error["in"], error["name"]) == ("query", "vehcile")
        names = [each["name"] for each in operations[method].get("parameters", ()) if each["in"] == "query"]
        assert all(name in error["problem"] for name in names), path
    assert len(paths) > 15


def test_a_parameter_may_come_once(fleet: Api) -> None:
    """Which of two is meant is not guessed at; a parameter of another route is none of this one."""
    for path in ("/anomalies?vehicle=N1&vehicle=N2", "/data?vehicle=N1", "/latest?vehicle=N1"):
        answer = fleet.get(path)
        assert answer.status_code == 400, path
        assert answer.json()["errors"][0]["name"] == "vehicle"
    assert fleet.get("/latest?car_id=N1").status_code == 200
