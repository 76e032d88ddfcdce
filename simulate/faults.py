"""Broken messages, each with the reason for which it must be rejected. A fault takes a valid message and
breaks one thing in it; which faults a source can have follows from its contract."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from contracts.limits import DEFAULT_LIMITS
from contracts.model import Contract
from contracts.reasons import Reason
from simulate.channels import Channel
from simulate.document import PLACEHOLDER, Document, Json, time_paths

BEYOND_EVERY_RANGE = 1e15
FUTURE_YEAR = 2100
FUTURE_S = 4_102_444_800
TICKS = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}


class Broken(NamedTuple):
    """Key and payload of a message that must be rejected."""

    key: bytes | None
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class Patient:
    """A valid message and what it reports."""

    contract: Contract
    key: bytes | None
    payload: bytes
    channels: Sequence[Channel]
    rng: Random

    def document(self) -> Document:
        return Document(self.contract, self.payload)

    def ranged(self) -> Channel | None:
        """A signal of the message with a largest value, chosen at random; None where there is none."""
        ranged = [channel for channel in self.channels if channel.high < math.inf]
        return self.rng.choice(ranged) if ranged else None


Operation = Callable[[Patient], Broken | None]
"""Breaks the message; None where this message cannot be broken so."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of broken message."""

    name: str
    reason: Reason
    operation: Operation = field(compare=False)
    weight: int = 100


def faults_of(contract: Contract) -> list[Fault]:
    """All kinds that messages of this source can have."""
    faults = [*_broken_bytes(), *_broken_vehicle(contract), *_broken_time(contract)]
    if contract.sensor and contract.sensor.required:
        faults += _broken_name("sensor", contract.sensor.field, DEFAULT_LIMITS.name_chars)
    if contract.shape == "long":
        return [*faults, *_broken_long(contract), *_broken_values(one=True)]
    if contract.shape == "list":
        return [*faults, *_broken_list(contract)]
    return [*faults, *_broken_values(one=contract.on_bad_value == "event"), *_missing_values(contract)]


# -- bytes that are no object


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


# -- who, where and when


def _setting(path: str, value: Json) -> Operation:
    def operation(patient: Patient) -> Broken:
        document = patient.document()
        document.set(path, value)
        return Broken(patient.key, document.written())

    return operation


def _without(*paths: str) -> Operation:
    def operation(patient: Patient) -> Broken:
        document = patient.document()
        for path in paths:
            document.delete(path)
        return Broken(patient.key, document.written())

    return operation


def _broken_name(fact: str, path: str, limit: int) -> list[Fault]:
    return [
        Fault(f"{fact}_missing", Reason.MISSING_FIELD, _without(path)),
        Fault(f"{fact}_null", Reason.MISSING_FIELD, _setting(path, None)),
        Fault(f"{fact}_empty", Reason.MISSING_FIELD, _setting(path, "")),
        Fault(f"{fact}_object", Reason.BAD_TYPE, _setting(path, {"id": 1})),
        Fault(f"{fact}_fraction", Reason.BAD_TYPE, _setting(path, 1.5)),
        Fault(f"{fact}_too_long", Reason.TOO_LARGE, _setting(path, "x" * (limit + 1))),
    ]


def _broken_vehicle(contract: Contract) -> list[Fault]:
    if contract.vehicle.field:
        return _broken_name("vehicle", contract.vehicle.field, DEFAULT_LIMITS.vehicle_chars)
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
    faults = [Fault(name, Reason.BAD_TIME, _setting(paths[0], value)) for name, value in values.items()]
    return [
        *faults,
        Fault("time_missing", Reason.MISSING_FIELD, _without(*paths)),
        Fault("time_in_the_future", Reason.FUTURE_TIME, _setting(paths[0], _future(contract))),
    ]


def _future(contract: Contract) -> Json:
    source = contract.event_time[0]
    if source.columns:
        parts = {"Y": str(FUTURE_YEAR), "M": "01", "D": "01"}
        return "/".join(parts[part] for part in source.columns.order)
    form = source.format[0]
    return f"{FUTURE_YEAR}-01-01T00:00:00Z" if form == "iso" else FUTURE_S * TICKS[form]


# -- values


def _token(token: bytes) -> Operation:
    """The raw token as the value of one ranged signal."""

    def operation(patient: Patient) -> Broken | None:
        channel = patient.ranged()
        if channel is None:
            return None
        document = patient.document()
        document.set_value(PLACEHOLDER, channel.signal)
        return Broken(patient.key, document.written(token))

    return operation


def _all_values(value: Json, *, ranged: bool) -> Operation:
    """Every signal of the message gets the value; not where one would accept it."""

    def operation(patient: Patient) -> Broken | None:
        if ranged and any(channel.high == math.inf for channel in patient.channels):
            return None
        document = patient.document()
        for channel in patient.channels:
            document.set_value(value, channel.signal)
        return Broken(patient.key, document.written())

    return operation


def _broken_values(*, one: bool) -> list[Fault]:
    """Where one bad value rejects the message, one is broken; else all are."""
    faults = [
        Fault("values_arrays", Reason.BAD_TYPE, _all_values([1, 2], ranged=False)),
        Fault("values_huge", Reason.OUT_OF_RANGE, _all_values(BEYOND_EVERY_RANGE, ranged=True)),
    ]
    if not one:
        return faults
    tokens = {
        "value_words": (Reason.BAD_TYPE, b'"fast"'),
        "value_array": (Reason.BAD_TYPE, b"[1]"),
        "value_object": (Reason.BAD_TYPE, b'{"v":1}'),
        "value_huge": (Reason.OUT_OF_RANGE, b"1e15"),
        "value_huge_text": (Reason.OUT_OF_RANGE, b'" 1e15 "'),
        "value_beyond_double": (Reason.OUT_OF_RANGE, b"1e400"),
        "value_many_digits": (Reason.OUT_OF_RANGE, b"9" * 80),
    }
    return faults + [Fault(name, reason, _token(token)) for name, (reason, token) in tokens.items()]


def _missing_values(contract: Contract) -> list[Fault]:
    """Wide messages: one that is required is missing, or all are."""
    required = [
        Fault(f"{wire}_missing", Reason.MISSING_FIELD, _without(wire)) for wire in contract.required[:2]
    ]
    return [*required, Fault("no_values", Reason.MISSING_FIELD, _only_envelope)]


def _only_envelope(patient: Patient) -> Broken:
    document = patient.document()
    document.keep_only_envelope()
    return Broken(patient.key, document.written())


def _broken_long(contract: Contract) -> list[Fault]:
    shape = contract.long_shape
    if shape is None:
        return []
    faults = [
        *_broken_name("name", shape.name, DEFAULT_LIMITS.name_chars),
        Fault("value_missing", Reason.MISSING_FIELD, _without(*shape.value_fields)),
    ]
    faults = [fault for fault in faults if fault.name != "name_null"]
    if shape.value_type:
        faults.append(Fault("value_type_unknown", Reason.BAD_TYPE, _setting(shape.value_type, "9")))
    return faults


def _broken_list(contract: Contract) -> list[Fault]:
    shape = contract.list_shape
    if shape is None:
        return []
    return [
        Fault("items_missing", Reason.MISSING_FIELD, _without(shape.items)),
        Fault("items_empty", Reason.MISSING_FIELD, _setting(shape.items, [])),
        Fault("items_object", Reason.BAD_TYPE, _setting(shape.items, {"speed": 1})),
        Fault("items_nameless", Reason.BAD_TYPE, _setting(shape.items, [{shape.value: 1}])),
    ]


# -- one bad signal among good ones


@dataclass(frozen=True, slots=True)
class Flaw:
    """A message that lives, with one signal refused."""

    signal: str
    reason: Reason
    payload: bytes


def flaw(patient: Patient) -> Flaw | None:
    """Breaks one signal and leaves its siblings; None where the message would not live with that."""
    contract = patient.contract
    channel = patient.ranged()
    if contract.shape == "long" or contract.on_bad_value == "event" or len(patient.channels) < 2:
        return None
    if channel is None or _wire_fields(contract, channel.signal) != 1:
        return None
    document = patient.document()
    bad = patient.rng.random() < 0.5
    document.set_value([1] if bad else BEYOND_EVERY_RANGE, channel.signal)
    return Flaw(channel.signal, Reason.BAD_TYPE if bad else Reason.OUT_OF_RANGE, document.written())


def _wire_fields(contract: Contract, signal: str) -> int:
    """How many fields of their own carry the signal; parts of an object are none."""
    return sum(field.signal == signal for field in contract.fields.values())
