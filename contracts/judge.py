"""What a contract makes of a set of messages, counted, with examples: for people who write contracts."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.catalog import Catalog
from contracts.decode import Decoder
from contracts.result import Rejected, Signal
from contracts.times import iso_text

EXAMPLES = 3


@dataclass
class SignalSummary:
    """Readings of one signal."""

    known: bool
    count: int = 0
    minimum: float | None = None
    maximum: float | None = None
    examples: list[str] = field(default_factory=list)

    def add(self, reading: Signal) -> None:
        self.count += 1
        if reading.value is not None:
            self.minimum = reading.value if self.minimum is None else min(self.minimum, reading.value)
            self.maximum = reading.value if self.maximum is None else max(self.maximum, reading.value)
        shown = reading.text if reading.value is None else f"{reading.value:g}"
        if shown is not None and len(self.examples) < EXAMPLES and shown not in self.examples:
            self.examples.append(shown)


@dataclass
class Judgement:
    """Counts of messages, signals and refusals."""

    messages: int = 0
    accepted: int = 0
    vehicles: set[str] = field(default_factory=set)
    first_time: int | None = None
    last_time: int | None = None
    signals: dict[str, SignalSummary] = field(default_factory=dict)
    rejected: Counter[str] = field(default_factory=Counter)
    rejected_signals: Counter[tuple[str, str]] = field(default_factory=Counter)
    details: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Plain values, for `--json`."""
        return {
            "messages": self.messages,
            "accepted": self.accepted,
            "vehicles": len(self.vehicles),
            "first_time": iso_text(self.first_time) if self.first_time is not None else None,
            "last_time": iso_text(self.last_time) if self.last_time is not None else None,
            "signals": {
                name: {
                    "known": one.known,
                    "readings": one.count,
                    "minimum": one.minimum,
                    "maximum": one.maximum,
                    "examples": one.examples,
                }
                for name, one in self.signals.items()
            },
            "rejected": dict(self.rejected),
            "rejected_signals": [
                {"signal": signal, "reason": reason, "count": count}
                for (signal, reason), count in self.rejected_signals.items()
            ],
            "details": self.details,
        }


def judge(decoder: Decoder, catalog: Catalog, messages: Iterable[bytes], key: bytes) -> Judgement:
    """Decodes every message, with `key` as its Kafka key and without a Kafka time."""
    found = Judgement()
    for payload in messages:
        found.messages += 1
        result = decoder.decode_one(payload, key=key)
        for refused in result.rejected_signals:
            found.rejected_signals[refused.signal, refused.reason.value] += 1
        if isinstance(result, Rejected):
            found.rejected[result.reason.value] += 1
            found.details.setdefault(result.reason.value, result.detail)
            continue
        found.accepted += 1
        found.vehicles.add(result.vehicle_id)
        found.first_time = min(found.first_time or result.event_time, result.event_time)
        found.last_time = max(found.last_time or result.event_time, result.event_time)
        for reading in result.signals:
            known = reading.signal in catalog
            found.signals.setdefault(reading.signal, SignalSummary(known)).add(reading)
    return found
