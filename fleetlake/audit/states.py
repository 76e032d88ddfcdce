"""Is every value of the state the one that the history gives, and is nothing else there?

Both are read in the order of vehicles and compared one by one. The history says what the state must hold up
to where both have read; what only one of them can have is looked up in Kafka.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from broker.record import TopicPartition
from fleetlake.audit.findings import Findings, Problem
from fleetlake.audit.motion import MOST_LOOKED_UP, Claim, Motion, place_of
from lake.errors import StateUnreadable
from lake.state_model import Entry, VehicleState, maximum_order, state_order

What = Literal["value", "maximum"]
Offsets = Mapping[TopicPartition, int]


@dataclass
class StateReport:
    """What was compared. `in_motion` values are newer, or not yet there, because messages are under way."""

    is_checked: bool = True
    vehicles: int = 0
    values: int = 0
    in_motion: int = 0
    wrong: int = 0
    not_looked_up: int = 0
    before_history: int = 0
    not_read: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Difference(NamedTuple):
    """One value that differs: what the history expects and what the state has."""

    vehicle: str
    key: str
    what: What
    expected: Entry | None
    found: Entry | None


@dataclass
class StateAudit:
    """Compares history and state. `landed` and `read` are the next offsets of history and state, `begun` is
    where history began."""

    landed: Offsets
    read: Offsets
    begun: Offsets
    motion: Motion
    findings: Findings
    report: StateReport = field(default_factory=StateReport)

    def unreadable(self, error: StateUnreadable) -> None:
        """A document that Fleetlake has not written so."""
        self.report.wrong += 1
        facts = {"vehicle": str(error.vehicle)}
        self.findings.add(Problem("state_unreadable", f"vehicle {error.vehicle}", error.problem, facts))

    def compare(self, history: Iterable[VehicleState], state: Iterable[VehicleState]) -> None:
        """Both ordered by the UTF-8 bytes of the vehicles' ids."""
        pending: list[tuple[Claim, Difference]] = []
        for expected, found in _paired(history, state):
            self.report.vehicles += 1
            if expected is None and found is not None and not (found.signals or found.maxima):
                self.unreadable(StateUnreadable(found.vehicle_id, "its document has no value"))
            for difference in self._differences(expected, found):
                claim = self._claim(difference)
                if claim is None:
                    self._wrong(difference)
                elif len(pending) >= MOST_LOOKED_UP:
                    self.report.not_looked_up += 1
                else:
                    pending.append((claim, difference))
        confirmed = self.motion.confirmed(claim for claim, _ in pending)
        for claim, difference in pending:
            if claim in confirmed:
                self._excuse(claim)
            else:
                self._wrong(difference)

    def _differences(self, expected: VehicleState | None, found: VehicleState | None) -> Iterator[Difference]:
        vehicle = expected.vehicle_id if expected is not None else found.vehicle_id if found else ""
        sides: list[tuple[What, Mapping[str, Entry], Mapping[str, Entry]]] = [
            ("value", expected.signals if expected else {}, found.signals if found else {}),
            ("maximum", expected.maxima if expected else {}, found.maxima if found else {}),
        ]
        for what, wanted, held in sides:
            for key in sorted({*wanted, *held}):
                self.report.values += 1
                if wanted.get(key) != held.get(key):
                    yield Difference(vehicle, key, what, wanted.get(key), held.get(key))

    def _claim(self, difference: Difference) -> Claim | None:
        """The message that would explain the difference; None if none can."""
        expected, found = difference.expected, difference.found
        if _is_above(difference.what, found, expected):
            assert found is not None  # noqa: S101 - it is above something
            place = place_of(found)
            explains = found.o >= self.landed.get(place, 0) or found.o < self.begun.get(place, 0)
            return Claim(difference.vehicle, difference.key, found) if explains else None
        assert expected is not None  # noqa: S101 - one of the two is there
        if expected.o >= self.read.get(place_of(expected), 0):
            return Claim(difference.vehicle, difference.key, expected)
        return None

    def _excuse(self, claim: Claim) -> None:
        if claim.entry.o < self.begun.get(place_of(claim.entry), 0):
            self.report.before_history += 1
        else:
            self.report.in_motion += 1

    def _wrong(self, difference: Difference) -> None:
        self.report.wrong += 1
        signal = difference.key if difference.what == "value" else f"maximum of {difference.key}"
        facts = {
            "vehicle": difference.vehicle,
            "signal": difference.key,
            "what": difference.what,
            "expected": _as_json(difference.expected),
            "found": _as_json(difference.found),
        }
        detail = f"expected {_text(difference.expected)}, found {_text(difference.found)}"
        self.findings.add(
            Problem(_kind(difference), f"vehicle {difference.vehicle}, {signal}", detail, facts)
        )


def _paired(
    history: Iterable[VehicleState], state: Iterable[VehicleState]
) -> Iterator[tuple[VehicleState | None, VehicleState | None]]:
    left, right = iter(history), iter(state)
    expected, found = next(left, None), next(right, None)
    while expected is not None or found is not None:
        order = _order(expected, found)
        yield (expected if order <= 0 else None), (found if order >= 0 else None)
        if order <= 0:
            expected = next(left, None)
        if order >= 0:
            found = next(right, None)


def _order(expected: VehicleState | None, found: VehicleState | None) -> int:
    if expected is None or found is None:
        return 1 if expected is None else -1
    left, right = expected.vehicle_id.encode(), found.vehicle_id.encode()
    return (left > right) - (left < right)


def _is_above(what: What, found: Entry | None, expected: Entry | None) -> bool:
    if found is None or expected is None:
        return expected is None
    if what == "value":
        return state_order(found) > state_order(expected)
    return maximum_order(found) > maximum_order(expected)


def _kind(difference: Difference) -> str:
    if difference.found is None:
        return "state_missing"
    return "state_without_history" if difference.expected is None else "state_differs"


def _as_json(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    topic, partition = place_of(entry)
    return {"time_us": entry.t, "value": entry.v, "topic": topic, "partition": partition, "offset": entry.o}


def _text(entry: Entry | None) -> str:
    return "nothing" if entry is None else f"{entry.v} at {entry.t} µs from {entry.p} offset {entry.o}"
