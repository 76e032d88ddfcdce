"""What was sent, counted message by message when the broker acknowledges it, so that a run can be checked
against what arrived."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from contracts.reasons import Reason


class Label(NamedTuple):
    """What kind of message it is. `reason` is set for one that must be rejected, `refused_signal` for one
    that lives although one of its signals must be; `disorder` is late, duplicate or out_of_order."""

    reason: Reason | None = None
    fault: str | None = None
    refused_signal: Reason | None = None
    disorder: str | None = None
    anomalies: tuple[str, ...] = ()
    clock_ahead: bool = False


PLAIN = Label()


class Receipt:
    """All messages of one vehicle and one label: what the producer calls when one is acknowledged or lost."""

    __slots__ = ("acknowledged", "failed", "label", "vehicle_id")

    def __init__(self, vehicle_id: str, label: Label) -> None:
        self.vehicle_id, self.label = vehicle_id, label
        self.acknowledged = self.failed = 0

    def __call__(self, error: Exception | None) -> None:
        if error is None:
            self.acknowledged += 1
        else:
            self.failed += 1


class Maxima:
    """The greatest acknowledged value per vehicle, and the sensors that gave it."""

    def __init__(self) -> None:
        self._greatest: dict[str, float] = {}
        self._sensors: dict[str, set[str | None]] = {}

    def learn(self, vehicle_id: str, value: float, sensor: str | None) -> None:
        """Values that come again add their sensor."""
        greatest = self._greatest.get(vehicle_id, float("-inf"))
        if value > greatest:
            self._greatest[vehicle_id] = value
            self._sensors[vehicle_id] = {sensor}
        elif value == greatest:
            self._sensors[vehicle_id].add(sensor)

    def as_json(self) -> dict[str, Any]:
        return {
            vehicle_id: {"value": value, "sensors": sorted(map(str, self._sensors[vehicle_id]))}
            for vehicle_id, value in sorted(self._greatest.items())
        }


@dataclass(frozen=True, slots=True)
class MeasuredReceipt:
    """A receipt of one valid message of a source that has maxima."""

    maxima: Maxima
    receipt: Receipt
    value: float
    sensor: str | None

    def __call__(self, error: Exception | None) -> None:
        self.receipt(error)
        if error is None:
            self.maxima.learn(self.receipt.vehicle_id, self.value, self.sensor)


class Tally:
    """The receipts of one source."""

    def __init__(self, source: str, topic: str, dead_letter_topic: str) -> None:
        self.source, self.topic, self.dead_letter_topic = source, topic, dead_letter_topic
        self.maxima = Maxima()
        self._receipts: dict[tuple[str, Label], Receipt] = {}
        self._plain: dict[str, Receipt] = {}

    def receipt(self, vehicle_id: str, label: Label = PLAIN) -> Receipt:
        """The one receipt of this vehicle and label."""
        if label is PLAIN and vehicle_id in self._plain:
            return self._plain[vehicle_id]
        found = self._receipts.setdefault((vehicle_id, label), Receipt(vehicle_id, label))
        if label is PLAIN:
            self._plain[vehicle_id] = found
        return found

    @property
    def acknowledged(self) -> int:
        return sum(receipt.acknowledged for receipt in self._receipts.values())

    @property
    def failed(self) -> int:
        return sum(receipt.failed for receipt in self._receipts.values())

    def as_json(self) -> dict[str, Any]:
        """Counts of acknowledged messages only, but for `failed`."""
        invalid: Counter[str] = Counter()
        faults: Counter[str] = Counter()
        refused: Counter[str] = Counter()
        disorder: Counter[str] = Counter()
        anomalies: Counter[str] = Counter()
        distinct: Counter[str] = Counter()
        valid = ahead = 0
        for receipt in self._receipts.values():
            label, count = receipt.label, receipt.acknowledged
            if label.reason:
                invalid[label.reason.value] += count
                faults[label.fault or ""] += count
                continue
            valid += count
            ahead += count * label.clock_ahead
            if label.refused_signal:
                refused[label.refused_signal.value] += count
            if label.disorder:
                disorder[label.disorder] += count
            for kind in label.anomalies:
                anomalies[kind] += count
                distinct[kind] += count * (label.disorder != "duplicate")
        return {
            "topic": self.topic,
            "sent": self.acknowledged + self.failed,
            "acknowledged": self.acknowledged,
            "failed": self.failed,
            "vehicles": len({one.vehicle_id for one in self._receipts.values() if one.acknowledged}),
            "valid": valid,
            "valid_distinct": valid - disorder["duplicate"],
            "invalid": invalid.total(),
            "invalid_by_reason": _present(invalid),
            "invalid_by_fault": _present(faults),
            "rejected_signals": _present(refused),
            "late": disorder["late"],
            "duplicate": disorder["duplicate"],
            "out_of_order": disorder["out_of_order"],
            "clock_ahead": ahead,
            "anomalies": _present(anomalies),
            "anomalies_distinct": _present(distinct),
            "maxima": self.maxima.as_json(),
        }


def totals(tallies: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Sums over sources: plain counts, and counts by name."""
    sums: dict[str, Any] = {}
    for tally in tallies:
        for name, value in tally.items():
            if isinstance(value, int):
                sums[name] = sums.get(name, 0) + value
            elif isinstance(value, dict) and name != "maxima":
                counter = sums.setdefault(name, {})
                for key, count in value.items():
                    counter[key] = counter.get(key, 0) + count
    return sums


def _present(counter: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in sorted(counter.items()) if count}
