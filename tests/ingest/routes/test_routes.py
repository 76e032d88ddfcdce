"""What the routes sink makes of traffic, on a real broker: that of a plain computation, once."""

from ingest.dead_letter import read_dead_letter
from tests.ingest.routes.processes import lag
from tests.ingest.routes_fleet import Fleet, car, problems


def test_a_plain_computation_finds_the_same(fleet: Fleet) -> None:
    """Dead letters, counters and maxima of mixed traffic, in two runs; nothing is doubled by the second."""
    fleet.send_traffic(3000)
    fleet.catch_up()
    assert problems(fleet) == {}
    fleet.send_traffic(1000)
    fleet.catch_up()
    assert problems(fleet) == {}
    assert {each.key for each in fleet.maxima()} == {name.encode() for name in fleet.greatest}
    assert lag(fleet) == 0


def test_a_maximum_is_the_document_of_its_reading(fleet: Fleet) -> None:
    """Late readings count, equal ones do not; a vehicle's documents are in one partition."""
    for pressure in (850_000.0, 950_000.0, 900_000.0, 950_000.0):
        fleet.send_pressure("HONDA 231", pressure, sensor="honda23101")
        fleet.flush()
        fleet.catch_up()
    assert [each.fields["pressureMax"] for each in fleet.maxima()] == [850_000, 950_000]
    assert fleet.maxima()[-1].fields == {
        "timestamp": "2025-07-22 22:30:45.123Z",
        "pressureMax": 950_000,
        "temperature": 25.5,
        "sensorId": "honda23101",
        "vehicleId": "HONDA 231",
    }
    assert len({each.partition for each in fleet.maxima()}) == 1


def test_anomalies_carry_the_same_id_when_an_event_is_sent_again(fleet: Fleet) -> None:
    """Keyed by vehicle, with the coordinates of each message."""
    event = car("CAR_007", speed=200.0, fuel_level=3.0)
    first, second = fleet.send("car", event), fleet.send("car", event)
    fleet.flush()
    fleet.catch_up()
    found = [(each.key, each.fields) for each in fleet.anomalies()]
    assert {key for key, _ in found} == {b"CAR_007"}
    assert {(fields["partition"], fields["offset"]) for _, fields in found} == {
        (first.partition, first.offset), (second.partition, second.offset),
    }  # fmt: skip
    ids = {(fields["kind"], fields["id"]) for _, fields in found}
    assert {kind for kind, _ in ids} == {"overspeed", "low_fuel"}
    assert len(found) == 4
    assert len(ids) == 2


def test_messages_as_large_and_as_strange_as_a_topic_allows_become_letters(fleet: Fleet) -> None:
    """None stops the sink; what could be kept of each was kept."""
    headers = [("trace", b"\xff\x00"), ("empty", b""), ("null", None)]
    values = [None, b"", b"\xff" * 1_000_000, b"{" + b"x" * 1_000_000, b"[" * 300_000, b'{"a": 1e400}']
    for value in values:
        fleet.send("car", value, key=b"\x00key", headers=headers, is_bad=True)
    fleet.send("car", b"{", key=None, headers=[("huge", b"h" * 900_000)], is_bad=True)
    fleet.send("car", car())
    fleet.flush()
    fleet.catch_up()

    assert problems(fleet) == {}
    letters = fleet.dead_letters()
    sizes = sorted(len(each.value or b"") for each in letters)
    assert sizes[-1] < 100_000
    usual = [each for each in letters if each.key is not None]
    assert {each.key for each in usual} == {b"\x00key"}
    assert all(sorted(each.headers or []) == sorted(headers) for each in usual)
    [other] = [read_dead_letter(each.value or b"") for each in letters if each.key is None]
    assert other.headers_dropped == 1
