"""The fast way decodes as the reference does, whatever comes."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.assemble import assemble
from contracts.decode import SMALL, Decoder, RawBatch
from contracts.load import load_registry
from tests.contracts import wire

REGISTRY = load_registry()

Row = tuple[bytes | None, int, bytes | None, Any]


def rows(source: str) -> st.SearchStrategy[Row]:
    return st.tuples(wire.payloads(source), wire.KAFKA_TIMES, wire.KEYS, wire.HEADERS)


def batch_of(messages: Sequence[Row]) -> RawBatch:
    columns = list(zip(*messages, strict=True))
    return RawBatch(*columns)


def assert_as_reference(decoder: Decoder, messages: Sequence[Row]) -> None:
    decoded = decoder.decode(batch_of(messages))
    decoded.validate(full=True)
    expected = assemble(decoder.contract, [decoder.decode_one(*message) for message in messages])
    for row, (got, wanted) in enumerate(zip(decoded.to_pylist(), expected.to_pylist(), strict=True)):
        assert got == wanted, messages[row]
    assert decoded.equals(expected)
    assert decoder.surprises == 0


@pytest.mark.parametrize("source", list(wire.MESSAGES))
@settings(max_examples=40)
@given(data=st.data())
def test_a_batch_decodes_like_its_messages_one_by_one(source: str, data: st.DataObject) -> None:
    """Valid, odd and broken messages, in any mixture and order."""
    messages = data.draw(st.lists(rows(source), min_size=SMALL, max_size=60))
    decoder = REGISTRY.decoder_of(REGISTRY.contracts[source])
    assert_as_reference(decoder, messages)
    assert_as_reference(decoder, messages[::-1])


ORDINARY: dict[str, list[bytes]] = {
    "tcu": [
        b'{"did":"981","timestamp":"1761559635000","name":"%s","value_type":"%d","float_value":101.50,'
        b'"string_value":"","int_value":"7","eventTime":"2025-10-27T10:07:15.%03dZ",'
        b'"receivedTime":"2025-10-27T10:07:15.875Z"}' % (name, kind, milli)
        for name in (b"odometer", b"speed", b"My.Own.Signal")
        for kind in (0, 1)
        for milli in (0, 999)
    ],
    "car": [
        b'{"car_id":"CAR_%03d","timestamp":"2026-02-25T21:28:17.376062+00:00","speed":59.83,"rpm":2947,'
        b'"engine_temp":95.79,"fuel_level":33.73,"latitude":52.486,"longitude":13.484548}' % n
        for n in range(3)
    ],
    "environment": [
        b'{"vehicle_id":"VH001","timestamp":"2025-07-06T12:00:00Z","speed":65,"humidity":60}',
        b'{"vehicle_id": "VH001", "timestamp": "2025-07-06T12:00:00Z", "speed": "65", "temperature": null}',
    ],
    "pressure": [
        b'{"timestamp":"2025-07-22 22:30:45.123Z","pressure":850000,"temperature":25.5,'
        b'"sensorId":"honda23100","vehicleId":"HONDA 231"}'
    ],
    "sensor": [
        b'{"sensor_id":"sensor_1","timestamp":"2026-01-21T10:00:00Z","temperature":25.4,"humidity":60.2,'
        b'"location":{"latitude":12.97,"longitude":77.59}}',
        b'{"sensor_id":"sensor_1","timestamp":"2026-01-21T10:00:00Z","temperature":25.4}',
    ],
    "tesla": [
        b'{"data":[{"key":"VehicleSpeed","value":{"doubleValue":48.3}},{"key":"Soc","value":{"intValue":"7"}},'
        b'{"key":"Location","value":{"locationValue":{"latitude":37.41,"longitude":-122.14}}},'
        b'{"key":"Gear","value":{"stringValue":"ShiftStateD"}},{"key":"Sunroof","value":{"booleanValue":true}}],'
        b'"createdAt":"2024-12-06T20:30:36.378404662Z","vin":"LRW","isResend":false}'
    ],
    "vss": [b'{"path":"Vehicle.Speed","value":12.5,"ts":"2026-01-21T10:00:00.000Z","vin":"W"}'],
    "twizy": [
        b'{"Date":"03/29/2021","Time":"11:13:45","Soc":"87.540000","Speed":"","Mode":"N","LAT":"33.98",'
        b'"Weather":"Clouds","Traffic":"0"}'
    ],
}
"""Messages as vehicles send them all day."""


def count_reference(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> list[bytes | None]:
    """Notes every message that the fast way hands over."""
    handed: list[bytes | None] = []
    reference = decoder._reference
    decode_one = reference.decode

    def noting(payload: bytes | None, *rest: Any) -> Any:
        handed.append(payload)
        return decode_one(payload, *rest)

    monkeypatch.setattr(reference, "decode", noting)
    return handed


@pytest.mark.parametrize("source", list(ORDINARY))
def test_ordinary_messages_do_not_need_the_reference(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the speed that the sinks count on would be lost in silence."""
    decoder = REGISTRY.decoder_of(REGISTRY.contracts[source])
    headers = [("receivedat", b"1733517036500")] if source == "tesla" else None
    messages = [(payload, wire.T0_US // 1000 * 2, b"K", headers) for payload in ORDINARY[source] * 40]
    assert_as_reference(decoder, messages)
    handed = count_reference(decoder, monkeypatch)
    decoder.decode(batch_of(messages))
    assert handed == []


def test_an_absurd_kafka_time_rejects_nothing_and_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is ahead of the broker cannot be told then; the one and the other way must agree on that."""
    decoder = REGISTRY.decoder("telemetry_raw")
    for time in wire.ABSURD_KAFKA_TIMES:
        messages = [(payload, time, None, None) for payload in ORDINARY["tcu"] * 3]
        assert_as_reference(decoder, messages)
        with monkeypatch.context() as patched:
            handed = count_reference(decoder, patched)
            decoded = decoder.decode(batch_of(messages))
        assert handed == []
        assert decoded.column("error").null_count == len(messages)


def test_unknown_fields_of_a_whole_fleet_do_not_need_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layouts are learned, not only taken from the contract."""
    decoder = REGISTRY.decoder("vehicle.environment")
    payload = b'{"vehicle_id":"V","timestamp":"2025-07-06T12:00:00Z","speed":65,"co2":%d,"tyre":"winter"}'
    messages = [(payload % n, -1, None, None) for n in range(100)]
    assert_as_reference(decoder, messages)
    handed = count_reference(decoder, monkeypatch)
    decoder.decode(batch_of(messages))
    assert handed == []


def test_bad_messages_do_not_send_good_ones_to_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is odd is looked at one by one, however the batch is mixed."""
    decoder = REGISTRY.decoder("telemetry_raw")
    good = [(payload, -1, None, None) for payload in ORDINARY["tcu"] * 20]
    bad = [(payload, -1, None, None) for payload in wire.BROKEN if payload is None or len(payload) < 300_000]
    messages = [*good[:100], *bad, *good[100:]]
    assert_as_reference(decoder, messages)
    handed = count_reference(decoder, monkeypatch)
    decoder.decode(batch_of(messages))
    assert len(handed) == len(bad)


def test_a_double_key_is_told_whatever_stands_beside_it_in_the_batch() -> None:
    """Keys are counted over a batch: a message with fewer must not make up for one with more."""
    message = '{"data":[%s],"createdAt":"2025-10-27T10:07:15Z","vin":"V"%s}'
    good = '{"key":"Soc","value":{"doubleValue":1}}'
    double = message % (good, ',"isResend":false,"isResend":true')
    odd = [
        "{}",
        '{"a":1,"b":2}',
        '{"doubleValue":null}',
        '{"locationValue":{}}',
        '{"locationValue":{"latitude":1}}',
    ]
    for value in [*odd, '"x"', "null", '{"doubleValue":1,"stringValue":"2"}']:
        gear = f'{{"key":"Gear","value":{value}}}'
        other = message % (f"{good},{gear}", ',"isResend":false')
        spaced = message % (good, ',"isResend" :false')
        for beside in (other, spaced):
            payloads = [text.encode() for text in [double, beside] * 20]
            assert_as_reference(
                REGISTRY.decoder("tesla.telemetry.v1"), [(p, -1, None, None) for p in payloads]
            )


def test_a_defect_of_the_fast_way_costs_speed_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink must not stop for it, and it must be seen."""
    decoder = REGISTRY.decoder("vss.telemetry.v1")

    def fail(*_: Any) -> None:
        msg = "a value nobody foresaw"
        raise ValueError(msg)

    monkeypatch.setattr("contracts.vector.path.record_batch", fail)
    decoded = decoder.decode(RawBatch(ORDINARY["vss"] * 20, [-1] * 20, [None] * 20, [None] * 20))
    assert decoded.column("vehicle_id").to_pylist() == ["W"] * 20
    assert decoded.column("error").null_count == 20
    assert decoder.surprises == 1


def test_batches_of_any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """None, one, a few, and more than are decoded at once: rows and order are those of the messages."""
    monkeypatch.setattr("contracts.decode.PART", 64)
    decoder = REGISTRY.decoder("vss.telemetry.v1")
    payload = b'{"path":"Vehicle.Speed","value":%d,"ts":"2026-01-21T10:00:00.000Z","vin":"W%d"}'
    for length in (0, 1, SMALL - 1, SMALL, 64, 65, 200):
        messages = [(payload % (n % 300, n) if n % 7 else b"{", -1, None, None) for n in range(length)]
        columns = batch_of(messages) if messages else RawBatch([], [], [], [])
        decoded = decoder.decode(columns)
        decoded.validate(full=True)
        expected = [None if n % 7 == 0 else f"W{n}" for n in range(length)]
        assert decoded.column("vehicle_id").to_pylist() == expected


def test_a_layout_learned_from_one_message_does_not_change_what_others_mean() -> None:
    """The typical message changes from batch to batch, the results are those of the reference."""
    decoder = REGISTRY.decoder("sensor.telemetry.v1")
    begin = b'{"sensor_id":"s","timestamp":"2026-01-21T10:00:00Z","temperature":1,'
    for tail in (
        b'"location":7}',
        b'"location":null}',
        b'"location":{"latitude":1}}',
        b'"humidity":"5"}',
        b'"x":[1]}',
    ):
        assert_as_reference(decoder, [(begin + tail, -1, None, None)] * 30)
        assert_as_reference(decoder, [(begin + b'"location":{"longitude":1},"y":2}', -1, None, None)] * 30)


def test_a_storm_of_unknown_names_is_decoded_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered is forgotten again, and nothing is lost by it."""
    monkeypatch.setattr("contracts.vector.names.MAX_NAMES", 50)
    decoder = REGISTRY.decoder("vss.telemetry.v1")
    payload = b'{"path":"Unknown.%d","value":1,"ts":"2026-01-21T10:00:00.000Z","vin":"W"}'
    for start in range(0, 400, 40):
        assert_as_reference(decoder, [(payload % (start + n), -1, None, None) for n in range(40)])
    names = decoder._vector._shape._names  # type: ignore[attr-defined]  # of shape long
    assert len(names.names) < 50 + 40 + len(REGISTRY.contracts["vss"].fields) + 2
