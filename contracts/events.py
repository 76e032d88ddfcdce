"""What simulation says and encoding writes: events in canonical names and units, and Kafka messages."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """One signal's value: a number in the catalog's unit (0 or 1 for a bool), or a text."""

    signal: str
    value: float | str
    event_time_us: int
    sensor: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """What a vehicle reports at once. Sources without a time a reading need one message per time."""

    vehicle_id: str
    event_time_us: int
    received_time_us: int | None
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """A Kafka message."""

    topic: str
    key: bytes
    payload: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class CannotEncode(ValueError):
    """The source has no way to say this."""

    def __init__(self, source: str, signal: str, problem: str) -> None:
        self.source, self.signal, self.problem = source, signal, problem
        super().__init__(f"{source} cannot say {signal}: {problem}")
