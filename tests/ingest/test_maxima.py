"""The greatest value per vehicle: the same however readings are spread, ordered, repeated and forgotten."""

import json
from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.record import Records
from contracts.load import load_registry
from contracts.maximum import maximum_readings
from ingest import maxima as maxima_module
from ingest.decoding import DecodedRun, RunDecoder
from ingest.maxima import Maxima, RekeyFilter
from ingest.metrics import SinkMetrics
from ingest.outgoing import Outgoing
from tests.ingest.routes_fleet import pressure_reading

REGISTRY = load_registry()
CONTRACT = REGISTRY.contracts["pressure"]
assert CONTRACT.maximum is not None
OUTPUT = CONTRACT.maximum
PARTITIONS = 2

Reading = tuple[str, float]


def records_of(topic: str, values: Sequence[bytes | None], partition: int = 0) -> Records:
    count = len(values)
    return Records(
        topic=topic, partition=partition, offsets=list(range(count)), times_ms=[1_753_223_445_123] * count,
        keys=[b"k"] * count, headers=[None] * count, values=list(values), next_offset=count,
    )  # fmt: skip


def rekeyed(rekey: RekeyFilter, readings: Sequence[Reading]) -> list[Outgoing]:
    """What one process re-keys of one run."""
    return list(rekey.rising(run_of([pressure_reading(vehicle, value) for vehicle, value in readings])))


def run_of(values: Sequence[bytes | None]) -> DecodedRun:
    """Messages of the source, decoded."""
    records = records_of(CONTRACT.topics[0], values)
    return RunDecoder(REGISTRY, SinkMetrics("test")).decode(records)


def published(maxima: Maxima, partition: int, messages: Sequence[Outgoing]) -> list[Outgoing]:
    """What the owner of an internal partition makes of them."""
    values = [message.value for message in messages]
    return list(maxima.rising(records_of(OUTPUT.rekey_topic, values, partition)))


def values_of(messages: Sequence[Outgoing]) -> list[Reading]:
    documents = [json.loads(message.value) for message in messages]
    return [(document["vehicleId"], document["pressureMax"]) for document in documents]


def new_filter() -> RekeyFilter:
    return RekeyFilter(CONTRACT, OUTPUT)


def new_maxima(*partitions: int) -> Maxima:
    maxima = Maxima(CONTRACT, OUTPUT)
    for partition in partitions:
        maxima.restore(partition, [])
    return maxima


def test_a_run_gives_one_message_per_vehicle() -> None:
    """The greatest, as the document that goes out in the end, keyed by vehicle, for any partition."""
    [message] = rekeyed(new_filter(), [("v", 5.0), ("v", 9.0), ("v", 7.0)])
    assert (message.kind, message.topic, message.key) == ("reading", OUTPUT.rekey_topic, b"v")
    assert message.partition is None
    assert json.loads(message.value) == {
        "timestamp": "2025-07-22 22:30:45.123Z",
        "pressureMax": 9,
        "temperature": 25.5,
        "sensorId": "honda1",
        "vehicleId": "v",
    }


def test_only_what_rises_is_re_keyed_again() -> None:
    """Equal and smaller readings cannot change the answer; after forgetting, anything may."""
    rekey = new_filter()
    assert values_of(rekeyed(rekey, [("v", 5.0), ("w", 1.0)])) == [("v", 5), ("w", 1)]
    assert values_of(rekeyed(rekey, [("v", 5.0), ("w", 2.0)])) == [("w", 2)]
    rekey.forget()
    assert values_of(rekeyed(rekey, [("v", 3.0)])) == [("v", 3)]


def test_a_filter_that_remembers_too_many_vehicles_starts_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded; the price is a message that was not needed."""
    monkeypatch.setattr(maxima_module, "MOST_REMEMBERED", 2)
    rekey = new_filter()
    assert len(rekeyed(rekey, [("a", 1.0), ("b", 1.0), ("c", 1.0)])) == 3
    assert values_of(rekeyed(rekey, [("a", 1.0), ("c", 1.0)])) == [("a", 1)]


def test_of_equal_readings_the_earliest_counts() -> None:
    """Then the sensor's name decides: the order within a run does not."""
    base = json.loads(pressure_reading("v", 5.0))
    events = [
        {**base, "timestamp": "2025-07-22 22:30:46.000Z", "sensorId": "a"},
        {**base, "timestamp": "2025-07-22 22:30:45.000Z", "sensorId": "c"},
        {**base, "timestamp": "2025-07-22 22:30:45.000Z", "sensorId": "b"},
    ]
    for order in (events, events[::-1]):
        [message] = new_filter().rising(run_of([json.dumps(event).encode() for event in order]))
        assert json.loads(message.value)["sensorId"] == "b"


def test_a_maximum_goes_out_as_it_came_in_into_the_partition_of_the_same_number() -> None:
    """Only when it rises; equal is no rise."""
    maxima = new_maxima(3)
    messages = rekeyed(new_filter(), [("v", 5.0)])
    [out] = published(maxima, 3, messages)
    assert (out.kind, out.topic, out.key, out.value, out.partition) == (
        "maximum", OUTPUT.topic, b"v", messages[0].value, 3,
    )  # fmt: skip
    assert published(maxima, 3, messages) == []
    assert published(maxima, 3, rekeyed(new_filter(), [("v", 4.0)])) == []


def test_what_stands_in_the_output_counts_after_a_restore() -> None:
    """And what was known before the restore does not."""
    maxima = new_maxima(0)
    published(maxima, 0, rekeyed(new_filter(), [("v", 9.0)]))
    documents = [message.value for message in rekeyed(new_filter(), [("v", 5.0), ("w", 2.0)])]
    assert maxima.restore(0, [records_of(OUTPUT.topic, [*documents, None, b"noise"])]) == 2
    out = published(maxima, 0, rekeyed(new_filter(), [("v", 6.0), ("w", 2.0)]))
    assert values_of(out) == [("v", 6)]


def test_foreign_messages_in_the_internal_topic_are_passed_over() -> None:
    """Nobody stops for them."""
    maxima = new_maxima(0)
    good = rekeyed(new_filter(), [("v", 5.0)])[0].value
    values = [None, b"", b"\xff", b"[]", b'{"vehicleId": 5}', good]
    assert values_of(list(maxima.rising(records_of(OUTPUT.rekey_topic, values)))) == [("v", 5)]


def test_messages_without_a_reading_cost_nothing() -> None:
    """A run of rejected messages re-keys nothing."""
    run = run_of([b"{", None])
    assert maximum_readings(run.decoded, OUTPUT).num_rows == 0
    assert list(new_filter().rising(run)) == []


readings = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30).map(float)), min_size=1, max_size=30)


@given(runs=st.lists(readings, min_size=1, max_size=6), data=st.data())
def test_any_number_of_processes_finds_the_greatest(runs: list[list[Reading]], data: st.DataObject) -> None:
    """Runs go to any process, in any order, some twice, with memories lost in between; outputs only rise."""
    order = data.draw(
        st.permutations([*range(len(runs)), *data.draw(st.sets(st.integers(0, len(runs) - 1)))])
    )
    processes = [new_filter() for _ in range(data.draw(st.integers(1, 3)))]
    maxima = new_maxima(0, 1)
    written: dict[int, list[Outgoing]] = defaultdict(list)
    for number in order:
        rekey = data.draw(st.sampled_from(processes))
        if data.draw(st.booleans()):
            rekey.forget()
        for message in rekeyed(rekey, runs[number]):
            partition = (message.key or b"")[0] % PARTITIONS
            if data.draw(st.booleans()):
                maxima.restore(partition, [records_of(OUTPUT.topic, [m.value for m in written[partition]])])
            written[partition] += published(maxima, partition, [message])

    expected: dict[str, float] = {}
    for run in runs:
        for vehicle, value in run:
            expected[vehicle] = max(value, expected.get(vehicle, 0.0))
    found: dict[str, float] = {}
    for vehicle, value in values_of([message for each in written.values() for message in each]):
        assert value > found.get(vehicle, -1.0)
        found[vehicle] = value
    assert found == expected
