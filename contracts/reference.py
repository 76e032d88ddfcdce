"""One message at a time, written to be read: this file defines what every message means.

The vectorised decoder must give the same for the messages it takes, and hands all others to this one.
"""

import json
from typing import Any, Final

from contracts.catalog import Catalog
from contracts.envelope import Envelope, EnvelopeReader, Headers
from contracts.limits import Limits
from contracts.meaning import meanings, read_value
from contracts.model import Contract
from contracts.parse import ParsedObject, parse_object
from contracts.reasons import Reason
from contracts.result import Decoded, Refused, Rejected, RejectedSignal, Signal
from contracts.shapes import Candidate, ListReader, LongReader, Names, ShapeReader, WideReader

_RAW: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
"""Writes refused values; a number beyond a double's range as Infinity."""


class Reference:
    """The decoder of one contract, for single messages."""

    def __init__(self, contract: Contract, catalog: Catalog, limits: Limits) -> None:
        self._contract, self._limits = contract, limits
        self._envelope = EnvelopeReader(contract, limits)
        self._shape = shape_reader(contract, catalog, limits)

    def decode(
        self, payload: bytes | None, kafka_time_ms: int, key: bytes | None, headers: Headers
    ) -> Decoded | Rejected:
        """Never raises on input."""
        envelope = Envelope()
        key_problem = self._envelope.read_key(envelope, key)
        parsed = parse_object(payload, self._limits)
        if isinstance(parsed, Refused):
            return self._rejected(parsed, envelope)
        problem = self._envelope.read_fields(envelope, parsed.fields, kafka_time_ms, headers)
        if first := key_problem or problem:
            return self._rejected(first, envelope)
        candidates = self._shape.read(parsed.fields)
        if isinstance(candidates, Refused):
            return self._rejected(candidates, envelope)
        if len(candidates) > self._limits.signals:
            detail = f"{len(candidates)} signals, at most {self._limits.signals}"
            return self._rejected(Refused(Reason.TOO_LARGE, detail), envelope)
        return self._judged(candidates, envelope, kafka_time_ms, parsed)

    def _judged(
        self, candidates: list[Candidate], envelope: Envelope, kafka_time_ms: int, parsed: ParsedObject
    ) -> Decoded | Rejected:
        signals: list[Signal] = []
        rejected: list[RejectedSignal] = []
        first: Refused | None = None
        for candidate in candidates:
            outcome = self._reading(candidate, envelope, kafka_time_ms)
            if isinstance(outcome, Signal):
                signals.append(outcome)
            elif outcome is not None:
                first = first or outcome
                rejected.append(RejectedSignal(candidate.name, outcome.reason, self._raw(candidate.raw)))
        if first and (self._contract.on_bad_value == "event" or not signals):
            return self._rejected(first, envelope, rejected)
        if not signals:
            return self._rejected(Refused(Reason.MISSING_FIELD, "the message holds no value"), envelope)
        if envelope.vehicle_id is None or envelope.event_time is None:
            raise AssertionError(envelope)
        return Decoded(
            envelope.vehicle_id,
            envelope.event_time,
            envelope.received_time,
            tuple(signals),
            tuple(rejected),
            self._note(parsed.duplicates),
        )

    def _reading(
        self, candidate: Candidate, envelope: Envelope, kafka_time_ms: int
    ) -> Signal | Refused | None:
        if candidate.refused:
            return candidate.refused
        time = envelope.event_time
        if candidate.time is not None:
            time = candidate.time
            if not self._envelope.plausible(time):
                return Refused(Reason.BAD_TIME, f"{candidate.name}: {time} µs is no plausible time")
            if ahead := self._envelope.too_far_ahead(time, kafka_time_ms):
                return ahead
        if time is None:
            raise AssertionError(envelope)
        reading = read_value(candidate.raw, candidate.meaning, self._limits)
        if reading is None or isinstance(reading, Refused):
            return reading
        received = envelope.received_time
        effective = time if received is None else min(time, received)
        return Signal(candidate.name, envelope.sensor, time, effective, reading.value, reading.text)

    def _rejected(
        self, problem: Refused, envelope: Envelope, rejected: list[RejectedSignal] | None = None
    ) -> Rejected:
        return Rejected(
            problem.reason,
            problem.detail[: self._limits.detail_chars],
            envelope.vehicle_id,
            envelope.event_time,
            envelope.received_time,
            tuple(rejected or ()),
        )

    def _raw(self, value: Any) -> str:
        return _RAW.encode(value)[: self._limits.raw_chars]

    def _note(self, duplicates: tuple[str, ...]) -> str | None:
        if not duplicates:
            return None
        return f"keys given twice, the last value counts: {', '.join(duplicates)}"[
            : self._limits.detail_chars
        ]


def shape_reader(contract: Contract, catalog: Catalog, limits: Limits) -> ShapeReader:
    """Finds the readings in messages of this contract."""
    found = meanings(contract, catalog)
    names = Names(found, catalog, limits)
    if contract.long_shape:
        return LongReader(contract.long_shape, names, limits)
    if contract.list_shape:
        return ListReader(contract.list_shape, names, limits)
    return WideReader(contract, found, names)
