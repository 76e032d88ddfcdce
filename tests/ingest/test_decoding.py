"""Runs become decoded columns: per topic, aligned, counted."""

from collections.abc import Sequence

import pytest

from broker.record import Records
from contracts.load import load_registry
from ingest.decoding import RunDecoder
from ingest.metrics import SinkMetrics

GOOD = b'{"did":"1","timestamp":"1761559625880","name":"speed","float_value":1.5}'


def records(topic: str, partition: int, first: int, values: Sequence[bytes]) -> Records:
    count = len(values)
    return Records(
        topic,
        partition,
        list(range(first, first + count)),
        [1_761_559_625_880 + index for index in range(count)],
        [str(first + index).encode() for index in range(count)],
        [[("h", str(first + index).encode())] for index in range(count)],
        list(values),
        first + count,
    )


def test_runs_of_a_topic_are_decoded_together() -> None:
    """Every column stays aligned, and the partition of every row is known; topics keep their order."""
    runs = [
        records("telemetry_raw", 0, 5, [GOOD, b"broken"]),
        records("sensor_pressure_stream", 2, 0, [b"broken"]),
        records("telemetry_raw", 1, 9, [GOOD]),
        records("telemetry_raw", 0, 7, [b"[]", GOOD]),
    ]
    first, second = RunDecoder(load_registry(), SinkMetrics("test")).decode_all(runs)

    assert (first.records.topic, second.records.topic) == ("telemetry_raw", "sensor_pressure_stream")
    assert first.records.offsets == [5, 6, 9, 7, 8]
    assert first.partitions() == [0, 0, 1, 0, 0]
    assert first.records.keys == [b"5", b"6", b"9", b"7", b"8"]
    assert first.records.headers == [[("h", key)] for key in first.records.keys]
    assert [error is None for error in first.decoded["error"].to_pylist()] == [True, False, True, False, True]
    assert first.payload_bytes == 3 * len(GOOD) + len(b"broken") + len(b"[]")
    assert first.beside_bytes == sum(len(key) + len("h") + len(key) for key in (b"5", b"6", b"9", b"7", b"8"))
    assert (second.partitions(), len(second)) == ([2], 1)


def test_nothing_is_decoded_to_nothing() -> None:
    """A poll may be empty."""
    assert list(RunDecoder(load_registry(), SinkMetrics("test")).decode_all([])) == []


def test_a_failure_of_the_fast_decoder_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs speed only, so nobody would notice otherwise."""

    def fail(*_: object) -> None:
        msg = "a value nobody foresaw"
        raise ValueError(msg)

    monkeypatch.setattr("contracts.vector.path.record_batch", fail)
    metrics = SinkMetrics("test")
    run = RunDecoder(load_registry(), metrics).decode(records("telemetry_raw", 0, 0, [GOOD] * 20))

    assert run.decoded["error"].null_count == 20
    counted = metrics.registry.get_sample_value(
        "fleetlake_decode_surprises_total", {"sink": "test", "source": "tcu"}
    )
    assert counted == 1
