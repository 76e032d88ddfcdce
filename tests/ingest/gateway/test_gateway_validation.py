"""What the gateway takes and what it refuses: by the contracts, as the sinks will, each with its reasons."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.access import ANYBODY, Principal
from contracts.load import load_registry
from contracts.result import Decoded
from ingest.gateway.documents import FORBIDDEN_VEHICLE
from ingest.gateway.validate import Validated, Validator
from tests.contracts import wire
from tests.ingest.gateway.site import FLEETS, NORTH, NOW, reading, snapshot
from tests.memory import growth

REGISTRY = load_registry()
VALIDATOR = Validator(REGISTRY, lambda: NOW)
NOW_MS = int(NOW * 1000)


def validated(*events: Any, source: str | None = None, vehicle: str | None = None) -> Validated:
    payloads = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in events]
    return VALIDATOR.validate(payloads, source, vehicle)


def test_each_event_of_an_array_finds_its_own_source() -> None:
    """In the order of the request, whatever is among them."""
    pressure = {"timestamp": "2026-02-28 10:00:00Z", "pressure": 1, "sensorId": "p7", "vehicleId": "V"}
    found = validated(snapshot(), {"a": 1}, reading(), pressure, snapshot("CAR_002"))
    assert [(event.index, event.source, event.key) for event in found.events] == [
        (0, "car", b"CAR_001"),
        (2, "sensor", b"s1"),
        (3, "pressure", b"p7"),
        (4, "car", b"CAR_002"),
    ]
    assert [(problem.index, problem.reason) for problem in found.problems] == [(1, "unknown_source")]


@pytest.mark.parametrize("count", [1, 40])
def test_keys_are_those_of_the_contract_alone_and_in_columns(count: int) -> None:
    """By sensor where it says so; the vehicle is known all the same."""
    pressure = {"timestamp": "2026-02-28 10:00:00Z", "pressure": 1, "sensorId": "p7", "vehicleId": "V"}
    found = validated(*[pressure, {"vehicleId": "V"}] * count, source="pressure")
    assert {(event.key, event.vehicle_id) for event in found.events} == {(b"p7", "V")}
    assert len(found.events) == len(found.problems) == count


def test_a_problem_names_the_fields() -> None:
    """All of them."""
    [problem] = validated(reading(humidity=160, temperature="hot")).problems
    assert problem.reason == "bad_type"
    assert {(fault.field, fault.reason) for fault in problem.fields} == {
        ("temperature", "bad_type"),
        ("humidity", "out_of_range"),
    }


@pytest.mark.parametrize("count", [1, 40])
def test_a_reading_that_its_source_can_do_without_is_told_and_not_a_problem(count: int) -> None:
    """As for the sinks: its siblings live."""
    event = {"vehicle_id": "V", "timestamp": "2026-02-28T10:00:00Z", "speed": 7, "humidity": 160}
    found = validated(*[event] * count)
    assert found.problems == []
    assert {fault.field for each in found.events for fault in each.refused} == {"humidity"}


def test_a_clock_that_is_ahead_is_refused_here_as_there() -> None:
    """By the gateway's own clock, which stands in for Kafka's."""
    event = reading() | {"timestamp": "2026-03-01T00:05:01Z"}
    for found in (validated(event), validated(*[event] * 40)):
        assert {problem.reason for problem in found.problems} == {"future_time"}
        assert "Kafka" not in found.problems[0].detail
        assert "more than 300 s after the message arrived" in found.problems[0].detail


def test_a_time_without_a_zone_is_told_to_lack_it() -> None:
    """As what it is, and not as no time at all; what is none stays so."""
    for count in (1, 40):
        problem = validated(*[reading() | {"timestamp": "2026-02-28T10:00:00"}] * count).problems[0]
        assert problem.reason == "bad_time"
        assert "has no time zone" in problem.detail
        assert "has no time zone" in problem.fields[0].detail
    (problem,) = validated(reading() | {"timestamp": "2026-02-30T10:00:00"}).problems
    assert "has no time zone" not in problem.detail


def test_a_vehicle_beside_the_events_is_their_key() -> None:
    """Of a source whose messages do not name it."""
    row = {"Date": "03/29/2021", "Time": "11:13:45", "Soc": "80.5"}
    [event] = validated(row, vehicle="T1").events
    assert (event.source, event.key, event.vehicle_id) == ("twizy", b"T1", "T1")
    for count in (1, 40):
        problem = validated(*[row] * count, source="twizy").problems[0]
        assert problem.reason == "missing_field"
        assert "?vehicle=ID" in problem.detail


def test_the_time_of_receipt_is_the_gateways_where_it_stands_in_a_header() -> None:
    """A car that wakes up with a clock ahead is clamped by who received its message."""
    event = {"data": [{"key": "Soc", "value": 80}], "createdAt": "2026-02-28T10:00:00Z", "vin": "L"}
    [found] = validated(event).events
    assert found.headers == (("receivedat", str(NOW_MS).encode()),)


def test_vehicles_of_other_fleets_are_refused() -> None:
    """And those that nobody registered; who is not restricted sends for all."""
    found = validated(snapshot("CAR_001"), snapshot("CAR_002"), snapshot("CAR_003"), {"a": 1})
    assert VALIDATOR.restrict(found, ANYBODY, FLEETS) is found
    kept = VALIDATOR.restrict(found, NORTH, FLEETS)
    assert [event.vehicle_id for event in kept.events] == ["CAR_001"]
    assert [problem.reason for problem in kept.problems] == [*[FORBIDDEN_VEHICLE] * 2, "unknown_source"]
    nobody = Principal("nobody", ANYBODY.scopes, frozenset())
    assert VALIDATOR.restrict(found, nobody, FLEETS).events == []


def test_what_is_too_large_is_refused_before_its_names_are_read() -> None:
    """Nothing of it stays, and of what is just small enough little does."""
    limit = REGISTRY.limits.message_bytes
    with growth() as kept:
        for number in range(40):
            [problem] = validated(b'{"%04d%s": 1}' % (number, b"a" * limit)).problems
            assert problem.reason == "too_large"
            [problem] = validated(b'{"%04d%s": 1}' % (number, b"a" * (limit - 100))).problems
            assert problem.reason == "unknown_source"
        assert kept() < 2_000_000


def test_refusals_are_counted_by_source_and_reason() -> None:
    """Also of sources that nobody could tell."""
    counted: list[tuple[str, str]] = []
    validator = Validator(REGISTRY, lambda: NOW, lambda source, reason: counted.append((source, reason)))
    validator.restrict(validator.validate([b"{", b'{"car_id":"C"}'], None), NORTH, FLEETS)
    assert counted == [("", "malformed_json"), ("car", "missing_field")]


@pytest.mark.parametrize("source", sorted(wire.MESSAGES))
@given(data=st.data())
def test_what_is_taken_is_what_the_sinks_decode(source: str, data: st.DataObject) -> None:
    """Alone and in columns: the same events are taken, and refused for the same reason."""
    payloads = [each or b"" for each in data.draw(st.lists(wire.payloads(source), min_size=1, max_size=3))]
    key = "T1"
    decoder = REGISTRY.decoder_of(REGISTRY.contracts[source])
    for batch in (payloads, payloads * 16):
        found = VALIDATOR.validate(batch, source, key)
        headers = found.events[0].headers if found.events else ()
        results = [decoder.decode_one(each, NOW_MS, key.encode(), headers) for each in batch]
        taken = [index for index, result in enumerate(results) if isinstance(result, Decoded)]
        assert [event.index for event in found.events] == taken
        assert all(event.payload == batch[event.index] for event in found.events)
        refused = {problem.index: problem.reason for problem in found.problems}
        assert refused == {
            index: result.reason for index, result in enumerate(results) if not isinstance(result, Decoded)
        }
