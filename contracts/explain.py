"""Everything that is wrong with one message, by the names of its own fields: for whoever sent it.

A decoder says the first thing that is wrong, which is enough to reject a message; a person who corrects it
wants all of them. Only what decoding refuses is named here.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from contracts.catalog import Catalog
from contracts.envelope import Envelope, EnvelopeReader, Fields, Headers
from contracts.limits import Limits
from contracts.meaning import read_value
from contracts.model import Contract
from contracts.names import wire_path
from contracts.parse import parse_object
from contracts.reasons import Reason
from contracts.reference import shape_reader
from contracts.result import Refused
from contracts.shapes import Candidate, WideReader

MOST_FIELDS: Final = 50
"""Of one message: whoever reads more of them has long begun to correct."""


class FieldProblem(NamedTuple):
    """One field of a message, as the message calls it, and what is wrong with it."""

    field: str
    reason: Reason
    detail: str


class Explainer:
    """Explains the messages of one contract."""

    def __init__(self, contract: Contract, catalog: Catalog, limits: Limits) -> None:
        self._contract, self._limits = contract, limits
        self._envelope = EnvelopeReader(contract, limits)
        self._shape = shape_reader(contract, catalog, limits)
        self._wires = dict(_wires(contract))

    def problems(self, payload: bytes, kafka_time_ms: int, headers: Headers) -> tuple[FieldProblem, ...]:
        """In the order in which they are looked for; none where the message as a whole cannot be read."""
        parsed = parse_object(payload, self._limits)
        if isinstance(parsed, Refused):
            return ()
        envelope = Envelope()
        found = [
            FieldProblem(place, *problem)
            for place, problem in self._envelope.problems(envelope, parsed.fields, kafka_time_ms, headers)
        ]
        for problem in self._of_values(parsed.fields, kafka_time_ms):
            if len(found) == MOST_FIELDS:
                break
            found.append(problem)
        limit = self._limits.detail_chars
        return tuple(each._replace(field=each.field[:limit], detail=each.detail[:limit]) for each in found)

    def _of_values(self, fields: Fields, kafka_time_ms: int) -> Iterator[FieldProblem]:
        if isinstance(self._shape, WideReader):
            for wire, missing in self._shape.missing(fields):
                yield FieldProblem(wire, *missing)
            candidates: list[Candidate] | Refused = self._shape.candidates(fields)
        else:
            candidates = self._shape.read(fields)
        if isinstance(candidates, Refused):
            yield FieldProblem(self._place, *candidates)
            return
        for candidate in candidates:
            if problem := self._of(candidate, kafka_time_ms):
                yield FieldProblem(self._wire(candidate.name), *problem)

    def _of(self, candidate: Candidate, kafka_time_ms: int) -> Refused | None:
        if candidate.refused:
            return candidate.refused
        if candidate.time is not None:
            if not self._envelope.plausible(candidate.time):
                return Refused(Reason.BAD_TIME, f"{candidate.name}: no plausible time")
            if ahead := self._envelope.too_far_ahead(candidate.time, kafka_time_ms):
                return ahead
        reading = read_value(candidate.raw, candidate.meaning, self._limits)
        return reading if isinstance(reading, Refused) else None

    @property
    def _place(self) -> str:
        """The field without which a message of shape long or list holds nothing."""
        if self._contract.list_shape:
            return self._contract.list_shape.items
        return self._contract.long_shape.name if self._contract.long_shape else ""

    def _wire(self, signal: str) -> str:
        return self._wires.get(signal) or ".".join(wire_path(signal))


def _wires(contract: Contract) -> Iterator[tuple[str, str]]:
    """Signal -> its name on the wire; of several the one that the contract names first."""
    for wire, field in reversed(list(contract.fields.items())):
        if field.signal:
            yield field.signal, wire
        for part, inner in field.parts.items():
            if inner.signal:
                yield inner.signal, f"{wire}.{part}"
