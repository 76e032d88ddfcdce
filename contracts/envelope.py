"""Reads whose message it is, when it was made and when it was received: the facts around the readings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from contracts.limits import Limits
from contracts.model import Contract
from contracts.parse import kind_of
from contracts.parts import SensorSource, TimeSource
from contracts.paths import steps
from contracts.reasons import Reason
from contracts.result import Refused
from contracts.times import iso_text, lacks_only_a_zone, read_columns, read_time

Headers = Sequence[tuple[str, bytes | None]] | None
Fields = dict[str, Any]

NO_KEY: Final = "the message has no key, which names the vehicle"
NO_ZONE: Final = "has no time zone: Z, or an offset such as +01:00"

NO_KAFKA_TIME: Final = -1
"""What Kafka gives where a message has no timestamp: nothing to compare a clock with."""


def field_at(fields: Fields, path: Sequence[str]) -> Any:
    """The value at a path; None where it is missing, null, or not inside objects."""
    node: Any = fields
    for step in path:
        if not isinstance(node, dict):
            return None
        node = node.get(step)
    return node


@dataclass(slots=True)
class Envelope:
    """Facts read so far; what a rejection may still tell."""

    vehicle_id: str | None = None
    event_time: int | None = None
    received_time: int | None = None
    sensor: str | None = None


class EnvelopeReader:
    """Reads the envelope as one contract places it."""

    def __init__(self, contract: Contract, limits: Limits) -> None:
        self._limits = limits
        self._contract = contract
        self._vehicle = steps(contract.vehicle.field) if contract.vehicle.field else None

    def read_key(self, envelope: Envelope, key: bytes | None) -> Refused | None:
        """The vehicle, if the contract takes it from the Kafka key: known even if the payload is broken."""
        if self._vehicle is not None:
            return None
        if key is None:
            return Refused(Reason.MISSING_FIELD, NO_KEY)
        try:
            text = key.decode("utf-8")
        except UnicodeDecodeError:
            return Refused(Reason.BAD_TYPE, "the key, which names the vehicle, is no UTF-8 text")
        return self._keep_vehicle(envelope, text, "key")

    def read_fields(
        self, envelope: Envelope, fields: Fields, kafka_time_ms: int, headers: Headers
    ) -> Refused | None:
        """Vehicle, event time, received time and sensor; the first thing that is wrong, after reading all."""
        problems = self.problems(envelope, fields, kafka_time_ms, headers)
        return problems[0][1] if problems else None

    def problems(
        self, envelope: Envelope, fields: Fields, kafka_time_ms: int, headers: Headers
    ) -> list[tuple[str, Refused]]:
        """Reads the same; each place where something is wrong, and what."""
        contract = self._contract
        found = [
            (contract.vehicle.field or "", self._read_vehicle(envelope, fields)),
            (_place(contract.event_time[0]), self._read_event_time(envelope, fields, headers)),
        ]
        if contract.received_time is not None:
            received = self._read_received_time(envelope, fields, headers)
            found.append((_place(contract.received_time), received))
        if envelope.event_time is not None:
            ahead = self.too_far_ahead(envelope.event_time, kafka_time_ms)
            found.append((_place(contract.event_time[0]), ahead))
        if contract.sensor is not None:
            found.append((contract.sensor.field, self._read_sensor(envelope, fields)))
        return [(place, problem) for place, problem in found if problem is not None]

    def too_far_ahead(self, time: int, kafka_time_ms: int) -> Refused | None:
        """Whether a clock is further ahead of the broker's than a car's may be."""
        if kafka_time_ms <= NO_KAFKA_TIME or time <= kafka_time_ms * 1000 + self._limits.max_future_us:
            return None
        most = f"more than {self._limits.max_future_us // 1_000_000} s"
        arrival = iso_text(kafka_time_ms * 1000)
        return Refused(
            Reason.FUTURE_TIME, f"{iso_text(time)} is {most} after the message arrived, at {arrival}"
        )

    def plausible(self, time: int | None) -> bool:
        """Whether a time was read and lies where times of messages can lie."""
        return time is not None and self._limits.earliest_us <= time < self._limits.latest_us

    def _read_vehicle(self, envelope: Envelope, fields: Fields) -> Refused | None:
        if self._vehicle is None:
            return None
        return self._keep_vehicle(
            envelope, field_at(fields, self._vehicle), f"field {self._contract.vehicle.field}"
        )

    def _keep_vehicle(self, envelope: Envelope, raw: Any, place: str) -> Refused | None:
        name = identifier(raw, place, self._limits.vehicle_chars)
        if isinstance(name, Refused):
            return name
        if name is None:
            return Refused(Reason.MISSING_FIELD, f"{place} names no vehicle")
        envelope.vehicle_id = name
        return None

    def _read_sensor(self, envelope: Envelope, fields: Fields) -> Refused | None:
        source: SensorSource | None = self._contract.sensor
        if source is None:
            return None
        place = f"field {source.field}"
        name = identifier(field_at(fields, steps(source.field)), place, self._limits.name_chars)
        if isinstance(name, Refused):
            return name
        if name is None and source.required:
            return Refused(Reason.MISSING_FIELD, f"{place} names no sensor")
        envelope.sensor = name
        return None

    def _read_event_time(self, envelope: Envelope, fields: Fields, headers: Headers) -> Refused | None:
        for source in self._contract.event_time:
            found = self._time(source, fields, headers)
            if isinstance(found, int):
                envelope.event_time = found
                return None
            if found is not None:
                return found
        places = " or ".join(source.label for source in self._contract.event_time)
        return Refused(Reason.MISSING_FIELD, f"no event time in {places}")

    def _read_received_time(self, envelope: Envelope, fields: Fields, headers: Headers) -> Refused | None:
        source = self._contract.received_time
        found = self._time(source, fields, headers) if source else None
        if isinstance(found, Refused):
            return found
        envelope.received_time = found
        return None

    def _time(self, source: TimeSource, fields: Fields, headers: Headers) -> int | Refused | None:
        """None where there is none: missing, null or an empty text."""
        raw: Any
        if source.columns:
            date = field_at(fields, steps(source.columns.date))
            clock = field_at(fields, steps(source.columns.time))
            if date in (None, "") and clock in (None, ""):
                return None
            raw = f"{date} {clock}"
            time = read_columns(date, clock, source.columns)
        else:
            place = source.field
            raw = field_at(fields, steps(place)) if place else _last(headers, source.header)
            if raw in (None, ""):
                return None
            time = read_time(raw, source.format, source.zone)
            if time is None and lacks_only_a_zone(raw, source.format, source.zone):
                return Refused(Reason.BAD_TIME, f"{source.label}: {raw!s:.80} {NO_ZONE}")
        if time is not None and self.plausible(time):
            return time
        return Refused(Reason.BAD_TIME, f"{source.label}: {raw!s:.80} is no plausible time")


def identifier(raw: Any, place: str, limit: int) -> str | Refused | None:
    """A name: a text, or an integer in digits. None for null and the empty text."""
    if raw is None or raw == "":
        return None
    if isinstance(raw, bool) or not isinstance(raw, (str, int)):
        return Refused(Reason.BAD_TYPE, f"{place}: {kind_of(raw)} is no name")
    name = str(raw)
    if len(name) > limit:
        return Refused(Reason.TOO_LARGE, f"{place}: a name of {len(name)} characters, at most {limit}")
    return name


def _last(headers: Headers, name: str | None) -> str | None:
    """The last header of that name, as text; bytes that are none are replaced and so read as no time."""
    values = [value for key, value in headers or () if key == name]
    return values[-1].decode("utf-8", "replace") if values and values[-1] is not None else None


def _place(source: TimeSource) -> str:
    """The field or header that a time is looked for in first."""
    if source.columns:
        return source.columns.date
    return source.field or source.header or ""
