"""Bad values, missing values and bad names of signals: kinds that reject a message, and one that only costs
it a signal."""

import math
from dataclasses import dataclass
from typing import Final

from contracts.limits import DEFAULT_LIMITS
from contracts.model import Contract
from contracts.reasons import Reason
from simulate.document import PLACEHOLDER, Json
from simulate.fault import Broken, Fault, Operation, Patient, broken_name, setting, without

BEYOND_EVERY_RANGE: Final = 1e15


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


def broken_values(*, one: bool) -> list[Fault]:
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


def missing_values(contract: Contract) -> list[Fault]:
    """Wide messages: one that is required is missing, or all are."""
    required = [
        Fault(f"{wire}_missing", Reason.MISSING_FIELD, without(wire)) for wire in contract.required[:2]
    ]
    return [*required, Fault("no_values", Reason.MISSING_FIELD, _only_envelope)]


def _only_envelope(patient: Patient) -> Broken:
    document = patient.document()
    document.keep_only_envelope()
    return Broken(patient.key, document.written())


def broken_long(contract: Contract) -> list[Fault]:
    """Messages of one signal: its name, its value, its type."""
    shape = contract.long_shape
    if shape is None:
        return []
    faults = [
        *broken_name("name", shape.name, DEFAULT_LIMITS.name_chars),
        Fault("value_missing", Reason.MISSING_FIELD, without(*shape.value_fields)),
    ]
    faults = [fault for fault in faults if fault.name != "name_null"]
    if shape.value_type:
        faults.append(Fault("value_type_unknown", Reason.BAD_TYPE, setting(shape.value_type, "9")))
    return faults


def broken_list(contract: Contract) -> list[Fault]:
    """Messages with an array of signals."""
    shape = contract.list_shape
    if shape is None:
        return []
    return [
        Fault("items_missing", Reason.MISSING_FIELD, without(shape.items)),
        Fault("items_empty", Reason.MISSING_FIELD, setting(shape.items, [])),
        Fault("items_object", Reason.BAD_TYPE, setting(shape.items, {"speed": 1})),
        Fault("items_nameless", Reason.BAD_TYPE, setting(shape.items, [{shape.value: 1}])),
    ]


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
