"""Whether events are valid, and of which source: decided by the contracts before anything is sent. What is
accepted here is decoded by every sink, and what is refused here would be a dead letter there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from contracts.access import Principal, Vehicles
from contracts.model import Contract
from contracts.parse import parse_object, too_large
from contracts.recognise import Recogniser
from contracts.registry import Registry
from contracts.result import Refused
from ingest.gateway.documents import FORBIDDEN_VEHICLE, EventProblem
from ingest.gateway.sources import Event, Source

UNKNOWN = ""
"""The source of an event that nobody could tell it of."""

_NAMES = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Validated:
    """The events of one request, by what becomes of them; each list in the order of the request."""

    events: list[Event] = field(default_factory=list)
    problems: list[EventProblem] = field(default_factory=list)


class Validator:
    """Applies the contracts of all sources. For one thread."""

    def __init__(
        self,
        registry: Registry,
        clock: Callable[[], float],
        rejected: Callable[[str, str], object] = lambda source, reason: None,
    ) -> None:
        """`clock` in seconds since the epoch; `rejected` is told source and reason of each refused event."""
        self._registry, self._clock, self._rejected = registry, clock, rejected
        self._recogniser = Recogniser(registry.contracts.values())
        self._sources = {name: Source(each, registry) for name, each in registry.contracts.items()}

    @property
    def names(self) -> list[str]:
        """Of all sources."""
        return sorted(self._sources)

    def validate(
        self, payloads: Sequence[bytes], source: str | None, vehicle: str | None = None
    ) -> Validated:
        """Events of one source, or of whatever source each is; `vehicle` is for messages that name none."""
        now_ms, key = int(self._clock() * 1000), None if vehicle is None else vehicle.encode()
        found = Validated()
        if source is not None:
            rows = {source: list(range(len(payloads)))}
        else:
            rows = self._by_shape(payloads, found, has_vehicle=vehicle is not None)
        for name, indexes in rows.items():
            chosen = payloads if len(indexes) == len(payloads) else [payloads[index] for index in indexes]
            events, problems = self._sources[name].read(indexes, chosen, key, now_ms)
            found.events.extend(events)
            self._refuse(found, name, problems)
        if len(rows) > 1:
            found.events.sort(key=lambda event: event.index)
        found.problems.sort(key=lambda problem: problem.index)
        return found

    def restrict(self, found: Validated, principal: Principal, vehicles: Vehicles) -> Validated:
        """Without the events of vehicles that are not the principal's to send for."""
        if principal.fleets is None:
            return found
        kept = Validated(problems=list(found.problems))
        for event in found.events:
            if vehicles.may_see(principal, event.vehicle_id):
                kept.events.append(event)
                continue
            detail = f"vehicle {event.vehicle_id:.100} is of no fleet of this key"
            self._refuse(kept, event.source, [EventProblem(event.index, FORBIDDEN_VEHICLE, detail)])
        kept.problems.sort(key=lambda problem: problem.index)
        return kept

    def _by_shape(
        self, payloads: Sequence[bytes], found: Validated, *, has_vehicle: bool
    ) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for index, payload in enumerate(payloads):
            source = self._recognised(payload, has_vehicle=has_vehicle)
            if isinstance(source, Refused):
                self._refuse(found, UNKNOWN, [EventProblem(index, *source)])
            else:
                rows.setdefault(source.name, []).append(index)
        return rows

    def _recognised(self, payload: bytes, *, has_vehicle: bool) -> Contract | Refused:
        if refused := too_large(payload, self._registry.limits):
            return refused
        try:
            names = _NAMES.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            parsed = parse_object(payload, self._registry.limits)
            if isinstance(parsed, Refused):
                return parsed
            names = parsed.fields
        return self._recogniser.recognise(names, has_vehicle=has_vehicle)

    def _refuse(self, found: Validated, source: str, problems: Sequence[EventProblem]) -> None:
        found.problems.extend(problems)
        for problem in problems:
            self._rejected(source, problem.reason)
