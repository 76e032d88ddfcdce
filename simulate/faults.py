"""Broken messages of every kind that a source can have, each with the reason for which it must be rejected.
Which kinds those are follows from the contract."""

from collections.abc import Callable
from random import Random
from typing import Final

from contracts.limits import DEFAULT_LIMITS
from contracts.model import Contract
from contracts.reasons import Reason
from simulate.bad_values import broken_list, broken_long, broken_values, missing_values
from simulate.document import Json, time_paths
from simulate.fault import Broken, Fault, broken_name, setting, without

FUTURE_YEAR: Final = 2100
FUTURE_S: Final = 4_102_444_800
TICKS: Final = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}


def faults_of(contract: Contract) -> list[Fault]:
    """All kinds that messages of this source can have."""
    faults = [*_broken_bytes(), *_broken_vehicle(contract), *_broken_time(contract)]
    if contract.sensor and contract.sensor.required:
        faults += broken_name("sensor", contract.sensor.field, DEFAULT_LIMITS.name_chars)
    if contract.shape == "long":
        return [*faults, *broken_long(contract), *broken_values(one=True)]
    if contract.shape == "list":
        return [*faults, *broken_list(contract)]
    return [*faults, *broken_values(one=contract.on_bad_value == "event"), *missing_values(contract)]


def _bytes(
    name: str, reason: Reason, change: Callable[[bytes, Random], bytes | None], weight: int = 100
) -> Fault:
    return Fault(name, reason, lambda p: Broken(p.key, change(p.payload, p.rng)), weight)


def _cut(payload: bytes, rng: Random) -> bytes:
    return payload[: rng.randrange(1, len(payload))]


def _padded(payload: bytes, rng: Random) -> bytes:
    return payload[:-1] + b',"padding":"' + b"x" * DEFAULT_LIMITS.message_bytes + b'"}'


def _with_value(token: bytes) -> Callable[[bytes, Random], bytes]:
    return lambda payload, rng: payload[:-1] + b',"extra":' + token + b"}"


def _broken_bytes() -> list[Fault]:
    malformed, no_object = Reason.MALFORMED_JSON, Reason.NOT_AN_OBJECT
    faults = [
        _bytes("truncated", malformed, _cut),
        _bytes("null_payload", malformed, lambda payload, rng: None),
        _bytes("empty", malformed, lambda payload, rng: b""),
        _bytes("white_space", malformed, lambda payload, rng: b" \t "),
        _bytes("plain_text", malformed, lambda payload, rng: b"ERROR modem timeout, retrying"),
        _bytes("binary", malformed, lambda payload, rng: bytes(rng.randbytes(24)) + b"\xff"),
        _bytes("trailing_brace", malformed, lambda payload, rng: payload + b"}"),
        _bytes("trailing_comma", malformed, lambda payload, rng: payload[:-1] + b",}"),
        _bytes("two_objects", malformed, lambda payload, rng: payload + payload),
        _bytes("single_quotes", malformed, lambda payload, rng: payload.replace(b'"', b"'")),
        _bytes("comment", malformed, lambda payload, rng: payload + b" // sent again"),
        _bytes("utf8_bom", malformed, lambda payload, rng: b"\xef\xbb\xbf" + payload),
        _bytes("utf16", malformed, lambda payload, rng: payload.decode().encode("utf-16")),
        _bytes("invalid_utf8", malformed, _with_value(b'"\xc3\x28"')),
        _bytes("half_a_surrogate", malformed, _with_value(b'"\\ud800"')),
        _bytes("control_character", malformed, _with_value(b'"a\x01b"')),
        _bytes("bomb", Reason.TOO_LARGE, lambda payload, rng: b"[" * 5_000),
        _bytes("nested_value", Reason.TOO_LARGE, _with_value(b'{"a":' * 40 + b"1" + b"}" * 40)),
        _bytes("oversized", Reason.TOO_LARGE, _padded, weight=1),
        _bytes("array", no_object, lambda payload, rng: b"[" + payload + b"]"),
        _bytes("json_null", no_object, lambda payload, rng: b"null"),
        _bytes("json_text", no_object, lambda payload, rng: b'"ok"'),
        _bytes("json_number", no_object, lambda payload, rng: b"42"),
    ]
    tokens = {"nan": b"NaN", "infinity": b"-Infinity", "leading_zero": b"007", "bare_word": b"undefined"}
    return faults + [_bytes(name, malformed, _with_value(token)) for name, token in tokens.items()]


def _broken_vehicle(contract: Contract) -> list[Fault]:
    if contract.vehicle.field:
        return broken_name("vehicle", contract.vehicle.field, DEFAULT_LIMITS.vehicle_chars)
    return [
        Fault("key_missing", Reason.MISSING_FIELD, lambda p: Broken(None, p.payload)),
        Fault("key_empty", Reason.MISSING_FIELD, lambda p: Broken(b"", p.payload)),
        Fault("key_not_text", Reason.BAD_TYPE, lambda p: Broken(b"\xff\xfe", p.payload)),
    ]


def _broken_time(contract: Contract) -> list[Fault]:
    """Only where the time stands in the payload."""
    first, paths = contract.event_time[0], time_paths(contract.event_time)
    if not paths or first.header:
        return []
    values: dict[str, Json] = {
        "time_words": "yesterday noon",
        "time_month_13": "90/02/2032" if first.columns else "2025-13-45T25:61:00Z",
        "time_year_1": "01/01/0001" if first.columns else "0001-01-01T00:00:00Z",
        "time_year_9999": "12/12/9999" if first.columns else "9999-12-31T23:59:59Z",
        "time_boolean": True,
        "time_object": {"seconds": 1},
    }
    faults = [Fault(name, Reason.BAD_TIME, setting(paths[0], value)) for name, value in values.items()]
    return [
        *faults,
        Fault("time_missing", Reason.MISSING_FIELD, without(*paths)),
        Fault("time_in_the_future", Reason.FUTURE_TIME, setting(paths[0], _future(contract))),
    ]


def _future(contract: Contract) -> Json:
    source = contract.event_time[0]
    if source.columns:
        parts = {"Y": str(FUTURE_YEAR), "M": "01", "D": "01"}
        return "/".join(parts[part] for part in source.columns.order)
    form = source.format[0]
    return f"{FUTURE_YEAR}-01-01T00:00:00Z" if form == "iso" else FUTURE_S * TICKS[form]
