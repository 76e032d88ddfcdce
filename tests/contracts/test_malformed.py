"""Every kind of bad message has its reason; what is good in it lives where the contract lets it."""

from typing import NamedTuple

import pytest

from contracts.decode import RawBatch
from contracts.limits import DEFAULT_LIMITS
from contracts.load import load_registry
from contracts.reasons import Reason
from contracts.result import Decoded, Rejected

REGISTRY = load_registry()
KAFKA_MS = 1_761_560_000_000
"""2025-10-27T10:13:20Z"""

TCU = (
    b'{"did":"981","timestamp":"1761559635000","name":"%s","value_type":"0","float_value":%s,'
    b'"string_value":"","int_value":"0","eventTime":"%s","receivedTime":"2025-10-27T10:07:15.875Z"}'
)
NOW = b"2025-10-27T10:07:15.000Z"
CAR = (
    b'{"car_id":"C","timestamp":"2025-10-27T10:07:15Z","speed":%s,"rpm":2000,"engine_temp":90,'
    b'"fuel_level":50,"latitude":52.5,"longitude":13.4}'
)
ENVIRONMENT = b'{"vehicle_id":"V","timestamp":"2025-10-27T10:07:15Z","temperature":20,%s}'
TESLA = b'{"data":%s,"createdAt":"2025-10-27T10:07:15Z","vin":"L"}'


class Bad(NamedTuple):
    """A message that is rejected whole."""

    reason: Reason
    source: str
    payload: bytes | None


WHOLE = {
    "null payload": Bad(Reason.MALFORMED_JSON, "tcu", None),
    "empty": Bad(Reason.MALFORMED_JSON, "tcu", b""),
    "white space": Bad(Reason.MALFORMED_JSON, "tcu", b" \r\n\t"),
    "truncated": Bad(Reason.MALFORMED_JSON, "tcu", (TCU % (b"speed", b"1", NOW))[:-9]),
    "trailing garbage": Bad(Reason.MALFORMED_JSON, "tcu", TCU % (b"speed", b"1", NOW) + b"}"),
    "two objects": Bad(Reason.MALFORMED_JSON, "tcu", TCU % (b"speed", b"1", NOW) * 2),
    "invalid UTF-8": Bad(Reason.MALFORMED_JSON, "tcu", TCU % (b"sp\xffed", b"1", NOW)),
    "overlong UTF-8": Bad(Reason.MALFORMED_JSON, "tcu", TCU % (b"sp\xc0\xafed", b"1", NOW)),
    "surrogate as UTF-8": Bad(Reason.MALFORMED_JSON, "tcu", TCU % (b"\xed\xa0\x80", b"1", NOW)),
    "half a surrogate pair": Bad(Reason.MALFORMED_JSON, "tcu", TCU % (b"\\ud800", b"1", NOW)),
    "UTF-16": Bad(Reason.MALFORMED_JSON, "tcu", (TCU % (b"speed", b"1", NOW)).decode().encode("utf-16")),
    "byte order mark": Bad(Reason.MALFORMED_JSON, "tcu", b"\xef\xbb\xbf" + TCU % (b"speed", b"1", NOW)),
    "NaN": Bad(Reason.MALFORMED_JSON, "tcu", TCU % (b"speed", b"NaN", NOW)),
    "Infinity": Bad(Reason.MALFORMED_JSON, "tcu", TCU % (b"speed", b"-Infinity", NOW)),
    "leading zero": Bad(Reason.MALFORMED_JSON, "tcu", TCU % (b"speed", b"007", NOW)),
    "hexadecimal": Bad(Reason.MALFORMED_JSON, "tcu", TCU % (b"speed", b"0x1F", NOW)),
    "single quotes": Bad(Reason.MALFORMED_JSON, "tcu", b"{'did':'981'}"),
    "trailing comma": Bad(Reason.MALFORMED_JSON, "tcu", b'{"did":"981",}'),
    "comment": Bad(Reason.MALFORMED_JSON, "tcu", b'{"did":"981"} // once more'),
    "raw control character": Bad(Reason.MALFORMED_JSON, "tcu", b'{"did":"9\x0181"}'),
    "open brackets without end": Bad(Reason.TOO_LARGE, "tcu", b"[" * 200_000),
    "nested bomb": Bad(Reason.TOO_LARGE, "tcu", b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
    "as large as a topic allows": Bad(Reason.TOO_LARGE, "tcu", b'{"did":"' + b"x" * 1_048_000 + b'"}'),
    "array": Bad(Reason.NOT_AN_OBJECT, "tcu", b"[1,2]"),
    "array of messages": Bad(Reason.NOT_AN_OBJECT, "tcu", b"[" + TCU % (b"speed", b"1", NOW) + b"]"),
    "number": Bad(Reason.NOT_AN_OBJECT, "tcu", b"42"),
    "text": Bad(Reason.NOT_AN_OBJECT, "tcu", b'"speed"'),
    "null": Bad(Reason.NOT_AN_OBJECT, "tcu", b"null"),
    "empty object": Bad(Reason.MISSING_FIELD, "tcu", b"{}"),
    "no vehicle": Bad(Reason.MISSING_FIELD, "tcu", (TCU % (b"speed", b"1", NOW)).replace(b"did", b"dud")),
    "empty vehicle": Bad(Reason.MISSING_FIELD, "tcu", (TCU % (b"speed", b"1", NOW)).replace(b"981", b"")),
    "vehicle is an object": Bad(
        Reason.BAD_TYPE, "tcu", (TCU % (b"speed", b"1", NOW)).replace(b'"981"', b'{"$gt":""}')
    ),
    "vehicle is a huge integer": Bad(
        Reason.BAD_TYPE, "tcu", (TCU % (b"speed", b"1", NOW)).replace(b'"981"', b"9" * 400)
    ),
    "vehicle is a truth": Bad(
        Reason.BAD_TYPE, "tcu", (TCU % (b"speed", b"1", NOW)).replace(b'"981"', b"true")
    ),
    "endless vehicle": Bad(
        Reason.TOO_LARGE, "tcu", (TCU % (b"speed", b"1", NOW)).replace(b"981", b"9" * 300)
    ),
    "no time": Bad(Reason.MISSING_FIELD, "tcu", b'{"did":"1","name":"speed","float_value":1}'),
    "time is no time": Bad(Reason.BAD_TIME, "tcu", TCU % (b"speed", b"1", b"yesterday")),
    "time is a truth": Bad(
        Reason.BAD_TIME, "tcu", b'{"did":"1","timestamp":true,"name":"speed","float_value":1}'
    ),
    "time without a zone": Bad(Reason.BAD_TIME, "tcu", TCU % (b"speed", b"1", b"2025-10-27T10:07:15")),
    "the 30th of February": Bad(Reason.BAD_TIME, "tcu", TCU % (b"speed", b"1", b"2025-02-30T10:07:15Z")),
    "hour 25": Bad(Reason.BAD_TIME, "tcu", TCU % (b"speed", b"1", b"2025-02-03T25:07:15Z")),
    "year 0000": Bad(Reason.BAD_TIME, "tcu", TCU % (b"speed", b"1", b"0000-01-01T00:00:00Z")),
    "year 0001": Bad(Reason.BAD_TIME, "tcu", TCU % (b"speed", b"1", b"0001-01-01T00:00:00Z")),
    "year 1970": Bad(Reason.BAD_TIME, "tcu", TCU % (b"speed", b"1", b"1970-01-01T00:00:00Z")),
    "year 9999": Bad(Reason.BAD_TIME, "tcu", TCU % (b"speed", b"1", b"9999-12-31T23:59:59Z")),
    "endless epoch": Bad(
        Reason.BAD_TIME, "tcu", b'{"did":"1","timestamp":1e300,"name":"speed","float_value":1}'
    ),
    "tomorrow": Bad(Reason.FUTURE_TIME, "tcu", TCU % (b"speed", b"1", b"2025-10-28T10:07:15Z")),
    "time of receipt is no time": Bad(
        Reason.BAD_TIME, "tcu", (TCU % (b"speed", b"1", NOW)).replace(b"2025-10-27T10:07:15.875Z", b"soon")
    ),
    "no name": Bad(Reason.MISSING_FIELD, "tcu", TCU % (b"", b"1", NOW)),
    "name is a number": Bad(Reason.BAD_TYPE, "tcu", (TCU % (b"speed", b"1", NOW)).replace(b'"speed"', b"7")),
    "endless name": Bad(Reason.TOO_LARGE, "tcu", TCU % (b"n" * 129, b"1", NOW)),
    "unknown value type": Bad(
        Reason.BAD_TYPE,
        "tcu",
        (TCU % (b"speed", b"1", NOW)).replace(b'"value_type":"0"', b'"value_type":"7"'),
    ),
    "value is null": Bad(Reason.MISSING_FIELD, "tcu", TCU % (b"speed", b"null", NOW)),
    "value is an object": Bad(Reason.BAD_TYPE, "tcu", TCU % (b"speed", b'{"v":1}', NOW)),
    "value is a word": Bad(Reason.BAD_TYPE, "tcu", TCU % (b"speed", b'"fast"', NOW)),
    "value beyond doubles": Bad(Reason.OUT_OF_RANGE, "tcu", TCU % (b"speed", b"1e400", NOW)),
    "value of 5000 digits": Bad(Reason.OUT_OF_RANGE, "tcu", TCU % (b"speed", b"9" * 5_000, NOW)),
    "value below its range": Bad(Reason.OUT_OF_RANGE, "tcu", TCU % (b"speed", b"-1", NOW)),
    "value above its range": Bad(Reason.OUT_OF_RANGE, "tcu", TCU % (b"soc", b"100.5", NOW)),
    "truth that is none": Bad(Reason.OUT_OF_RANGE, "tcu", TCU % (b"ignition_status", b"2", NOW)),
    "text of a book": Bad(Reason.TOO_LARGE, "tcu", TCU % (b"note", b'"' + b"x" * 5_000 + b'"', NOW)),
    "schema of a car broken": Bad(Reason.BAD_TYPE, "car", CAR % b'"fast"'),
    "car beyond S1's limits": Bad(Reason.OUT_OF_RANGE, "car", CAR % b"260.1"),
    "car without a field": Bad(Reason.MISSING_FIELD, "car", CAR.replace(b'"rpm":2000,', b"") % b"1"),
    "car with a null": Bad(Reason.MISSING_FIELD, "car", CAR % b"null"),
    "only bad values": Bad(
        Reason.OUT_OF_RANGE, "environment", (ENVIRONMENT % b'"humidity":101').replace(b":20,", b":999,")
    ),
    "no values at all": Bad(
        Reason.MISSING_FIELD, "environment", (ENVIRONMENT % b'"humidity":null').replace(b":20,", b":null,")
    ),
    "storm of signals": Bad(
        Reason.TOO_LARGE, "environment", ENVIRONMENT % b",".join(b'"s%d":1' % n for n in range(2_001))
    ),
    "a number where an object belongs": Bad(
        Reason.BAD_TYPE,
        "sensor",
        b'{"sensor_id":"s","timestamp":"2025-10-27T10:07:15Z","temperature":1,"location":7}',
    ),
    "no sensor": Bad(
        Reason.MISSING_FIELD,
        "pressure",
        b'{"timestamp":"2025-10-27 10:07:15Z","pressure":1,"vehicleId":"V"}',
    ),
    "list is an object": Bad(Reason.BAD_TYPE, "tesla", TESLA % b"{}"),
    "list is empty": Bad(Reason.MISSING_FIELD, "tesla", TESLA % b"[]"),
    "list of numbers": Bad(Reason.BAD_TYPE, "tesla", TESLA % b"[1,2]"),
    "list is endless": Bad(
        Reason.TOO_LARGE, "tesla", TESLA % (b"[" + b",".join([b'{"key":"Soc","value":1}'] * 2_001) + b"]")
    ),
    "only invalid values": Bad(Reason.BAD_TYPE, "tesla", TESLA % b'[{"key":"Soc","value":{"invalid":true}}]'),
}


class Partly(NamedTuple):
    """A message of which one signal is refused, and others live."""

    refused: str
    reason: Reason
    accepted: set[str]
    source: str
    payload: bytes


PARTLY = {
    "out of range": Partly(
        "humidity", Reason.OUT_OF_RANGE, {"temperature"}, "environment", ENVIRONMENT % b'"humidity":100.1'
    ),
    "a word for a number": Partly(
        "humidity", Reason.BAD_TYPE, {"temperature"}, "environment", ENVIRONMENT % b'"humidity":"wet"'
    ),
    "an array for a number": Partly(
        "humidity", Reason.BAD_TYPE, {"temperature"}, "environment", ENVIRONMENT % b'"humidity":[60]'
    ),
    "beyond doubles": Partly(
        "humidity", Reason.OUT_OF_RANGE, {"temperature"}, "environment", ENVIRONMENT % b'"humidity":1e400'
    ),
    "unknown and beyond doubles": Partly(
        "x", Reason.OUT_OF_RANGE, {"temperature"}, "environment", ENVIRONMENT % b'"x":-1e400'
    ),
    "unknown and endless": Partly(
        "x", Reason.TOO_LARGE, {"temperature"}, "environment", ENVIRONMENT % (b'"x":"' + b"y" * 4_097 + b'"')
    ),
    "an endless name": Partly(
        "n" * 128,
        Reason.TOO_LARGE,
        {"temperature"},
        "environment",
        ENVIRONMENT % (b'"' + b"n" * 129 + b'":1'),
    ),
    "an invalid value": Partly(
        "soc",
        Reason.BAD_TYPE,
        {"odometer"},
        "tesla",
        TESLA % b'[{"key":"Soc","value":{"invalid":true}},{"key":"Odometer","value":{"doubleValue":1}}]',
    ),
    "an unknown word": Partly(
        "gear",
        Reason.OUT_OF_RANGE,
        {"soc"},
        "tesla",
        TESLA % b'[{"key":"Gear","value":{"stringValue":"Z"}},{"key":"Soc","value":{"stringValue":"5"}}]',
    ),
    "an item without a name": Partly(
        "data",
        Reason.BAD_TYPE,
        {"soc"},
        "tesla",
        TESLA % b'[{"value":{"doubleValue":1}},{"key":"Soc","value":{"doubleValue":5}}]',
    ),
    "a value of two types": Partly(
        "odometer",
        Reason.BAD_TYPE,
        {"soc"},
        "tesla",
        TESLA % b'[{"key":"Odometer","value":{"a":1,"b":2}},{"key":"Soc","value":{"doubleValue":5}}]',
    ),
}


@pytest.mark.parametrize("kind", list(WHOLE))
def test_a_bad_message_is_rejected_with_its_reason(kind: str) -> None:
    """One row of the table."""
    bad = WHOLE[kind]
    decoder = REGISTRY.decoder_of(REGISTRY.contracts[bad.source])
    result = decoder.decode_one(bad.payload, KAFKA_MS)
    assert isinstance(result, Rejected)
    assert result.reason is bad.reason, result.detail
    assert 0 < len(result.detail) <= DEFAULT_LIMITS.detail_chars


@pytest.mark.parametrize("kind", list(PARTLY))
def test_a_bad_signal_leaves_its_siblings_alone(kind: str) -> None:
    """One row of the table."""
    bad = PARTLY[kind]
    decoder = REGISTRY.decoder_of(REGISTRY.contracts[bad.source])
    result = decoder.decode_one(bad.payload, KAFKA_MS)
    assert isinstance(result, Decoded)
    assert {signal.signal for signal in result.signals} == bad.accepted
    assert (bad.refused, bad.reason) in {(one.signal, one.reason) for one in result.rejected_signals}
    assert all(len(one.raw) <= DEFAULT_LIMITS.raw_chars for one in result.rejected_signals)


def test_bad_messages_among_good_ones_change_nothing_for_these() -> None:
    """All kinds at once, mixed into good messages of their source, in one batch."""
    for source in {bad.source for bad in WHOLE.values()}:
        good = {
            "tcu": TCU % (b"speed", b"1", NOW),
            "car": CAR % b"1",
            "environment": ENVIRONMENT % b'"humidity":1',
            "tesla": TESLA % b'[{"key":"Soc","value":{"doubleValue":1}}]',
            "pressure": b'{"timestamp":"2025-10-27 10:07:15Z","pressure":1,"vehicleId":"V","sensorId":"s"}',
            "sensor": b'{"sensor_id":"s","timestamp":"2025-10-27T10:07:15Z","temperature":1}',
        }[source]
        bad = [one for one in WHOLE.values() if one.source == source]
        payloads = [payload for one in bad for payload in (one.payload, good, good)] + [good] * 20
        rows = len(payloads)
        batch = RawBatch(payloads, [KAFKA_MS] * rows, [None] * rows, [None] * rows)
        decoded = REGISTRY.decoder_of(REGISTRY.contracts[source]).decode(batch)
        errors = decoded.column("error").to_pylist()
        assert errors == [reason for one in bad for reason in (one.reason.value, None, None)] + [None] * 20
        assert decoded.column("signals").to_pylist().count([]) == len(bad)


def test_every_reason_is_in_the_table_or_has_a_test_of_its_own() -> None:
    """No reason that nothing tests."""
    tested = {bad.reason for bad in WHOLE.values()} | {Reason.UNKNOWN_SOURCE}
    assert tested == set(Reason)
    assert len(WHOLE) + len(PARTLY) >= 40


def test_a_topic_without_a_contract_rejects_everything() -> None:
    """As `unknown_source`, in columns and alone."""
    decoder = REGISTRY.decoder("nobody.knows")
    payloads = [b"{}", None, TCU % (b"speed", b"1", NOW)]
    decoded = decoder.decode(RawBatch(payloads, [-1] * 3, [None] * 3, [None] * 3))
    decoded.validate(full=True)
    assert decoded.column("error").to_pylist() == ["unknown_source"] * 3
    assert decoded.column("signals").to_pylist() == [[], [], []]
    alone = decoder.decode_one(b"{}")
    assert isinstance(alone, Rejected)
    assert alone.reason is Reason.UNKNOWN_SOURCE


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    "payload",
    [
        b"{}" * 40 + b'"' + b'\\"' * 120_000,
        b"{}" * 40 + b'"' + b"\\" * 240_001,
        b"[" * 40 + b"]" * 40 + b'"' * 200_001,
        b'{"did":' + b"9" * 250_000 + b"}",
        b'{"did":"1","timestamp":' + b"9" * 250_000 + b"}",
        b'{"did":"1","timestamp":"2025-10-27T10:07:15.' + b"9" * 250_000 + b'Z"}',
        b"{" + b",".join(b'"k":1' for _ in range(40_000)) + b"}",
        b'{"a":[' + b"[]," * 80_000 + b"[]]}",
    ],
    ids=["escapes", "backslashes", "quotes", "vehicle", "time", "fraction", "same key", "arrays"],
)
def test_a_hostile_message_costs_no_more_than_its_length(payload: bytes) -> None:
    """Nothing that reads it takes time by the square of its size, for which the limit would not do. Twenty
    take some seconds, on busy cores some more."""
    decoder = REGISTRY.decoder("telemetry_raw")
    decoded = decoder.decode(RawBatch([payload] * 20, [-1] * 20, [None] * 20, [None] * 20))
    assert decoded.column("error").null_count == 0


def test_a_key_given_twice_counts_last_and_is_noted() -> None:
    """As JSON libraries do, but not in silence; the same in a batch."""
    payload = (ENVIRONMENT % b'"humidity":1').replace(b'"humidity":1', b'"humidity":1,"humidity":2')
    decoder = REGISTRY.decoder("vehicle.environment")
    result = decoder.decode_one(payload)
    assert isinstance(result, Decoded)
    assert [signal.value for signal in result.signals] == [20.0, 2.0]
    assert result.note is not None
    assert "humidity" in result.note
    rows = 20
    decoded = decoder.decode(RawBatch([payload] * rows, [-1] * rows, [None] * rows, [None] * rows))
    assert decoded.column("error_detail").to_pylist() == [result.note] * rows
    assert decoded.column("error").null_count == rows
