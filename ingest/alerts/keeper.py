"""Judges vehicles and keeps what comes of it: the one place where rules, MongoDB and the outbox meet.

Any process may judge any vehicle, at any time. For one vehicle:

1. Read its track, with the revision that it has; tell first what its last step has not told.
2. Judge (`evaluate`, pure).
3. Write the track, if the revision is still that one, together with the effects: alerts that open or are
   over.
4. Tell the effects: alerts by their ids, deliveries by theirs. Done again, nothing changes.
5. Note that they were told.

A kill between 3 and 5 is made good by whoever reads the track next, or finds it due. Two that judge at once
both reach 3, and one of them begins again at 1. The group's offsets follow 5, and what is read again is
known.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final, Protocol

from contracts.access import Vehicles
from ingest.alerts.changes import Change, alert_id, delivery_id, summary
from ingest.alerts.evaluate import Judged, due, take, tick
from ingest.alerts.metrics import AlertMetrics
from ingest.alerts.rules import Rule, RuleSet
from ingest.alerts.track import Fact, Track, from_text, to_text
from ingest.steps import AlertStep, Steps
from lake.alert_outbox import NewDelivery
from lake.alert_store import StoredTrack, TrackWrite

TOGETHER: Final = 500
"""Vehicles of one write."""

MOST_KEPT: Final = 20_000
"""Vehicles whose tracks are kept in memory: those that were judged last."""

MOST_ROUNDS: Final = 40
"""Of one tick. What is due beyond is due at the next one."""

Effect = dict[str, Any]


class Store(Protocol):
    """What is needed of the alert store."""

    def read(self, vehicle_ids: Sequence[str]) -> Mapping[str, StoredTrack]: ...
    def due(self, now_us: int, clock_us: int, most: int) -> Sequence[StoredTrack]: ...
    def write(self, writes: Sequence[TrackWrite], now_us: int) -> set[str]: ...
    def told(self, writes: Sequence[TrackWrite]) -> None: ...
    def apply(self, effects: Iterable[Effect], now_us: int) -> None: ...
    def alert(self, alert_id: str) -> Effect | None: ...


class Outbox(Protocol):
    """What is needed of the outbox."""

    def add(self, deliveries: Iterable[NewDelivery], now_us: int) -> None: ...


@dataclass(frozen=True, slots=True)
class _Step:
    """One vehicle's next step, and the changes that it makes."""

    write: TrackWrite
    track: Track
    changes: Sequence[Change]

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to write."""
        before = self.write.before
        return self.write.text != before.text or bool(self.changes) or bool(before.effects)


@dataclass
class Keeper:
    """Of one process. All of it may be done again after a Transient error of the store."""

    rules: RuleSet
    vehicles: Vehicles
    store: Store
    outbox: Outbox
    metrics: AlertMetrics
    now_us: Callable[[], int]
    done: Steps = lambda step: None
    _kept: OrderedDict[str, tuple[StoredTrack, Track]] = field(default_factory=OrderedDict)
    _about: dict[str, tuple[Rule, ...]] = field(default_factory=dict)

    def take(self, facts: Mapping[str, Iterable[Fact]]) -> None:
        """Judges facts; returns when everything that follows from them is kept."""
        waiting = {vehicle: found for vehicle, found in facts.items() if self._rules_about(vehicle)}
        while waiting:
            part = list(islice(waiting, TOGETHER))
            landed = self._keep(
                part, lambda vehicle, track: self._take(vehicle, track, waiting[vehicle])
            )  # fmt: skip
            for vehicle in landed:
                del waiting[vehicle]

    def tick(self, clock_us: int) -> None:
        """Judges vehicles for which time has come, and tells what was not told."""
        for _ in range(MOST_ROUNDS):
            found = self.store.due(self.now_us(), clock_us, TOGETHER)
            if not found:
                return
            for stored in found:
                self._keep_in_mind(stored, from_text(stored.text))
            landed = self._keep(
                [stored.vehicle_id for stored in found],
                lambda vehicle, track: self._tick(vehicle, track, clock_us),
                is_tick=True,
            )
            if not landed:
                return

    # -- one step of some vehicles ------------------------------------------------------------------------

    def _keep(
        self, vehicles: Sequence[str], judge: Callable[[str, Track], Judged], *, is_tick: bool = False
    ) -> set[str]:
        """Steps 1 to 5; returns the vehicles whose step landed, or needs none. A tick always writes: when the
        next one is due is not part of the text."""
        self._read(vehicles)  # 1
        steps = [self._step(vehicle, *self._kept[vehicle], judge) for vehicle in vehicles]  # 2
        self.done(AlertStep.JUDGED)
        needed = {step.write.before.vehicle_id: step for step in steps if is_tick or step.is_needed}
        landed = self.store.write([step.write for step in needed.values()], self.now_us())  # 3
        self.done(AlertStep.WRITTEN)
        for vehicle, step in needed.items():
            if vehicle in landed:
                self._keep_in_mind(step.write.after, step.track)
            else:
                self._kept.pop(vehicle, None)
        ours = [needed[vehicle] for vehicle in needed if vehicle in landed]
        self._tell_and_note([step for step in ours if step.write.effects])
        self._count(ours)
        return set(vehicles) - (needed.keys() - landed)

    def _tell_and_note(self, steps: Sequence[_Step]) -> None:
        if not steps:
            return
        self._tell([effect for step in steps for effect in step.write.effects])  # 4
        self.store.told([step.write for step in steps])  # 5
        for step in steps:
            self._keep_in_mind(replace(step.write.after, effects=()), step.track)
        self.done(AlertStep.SETTLED)

    def _read(self, vehicles: Sequence[str]) -> None:
        missing = [vehicle for vehicle in vehicles if vehicle not in self._kept]
        for stored in self.store.read(missing).values() if missing else ():
            self._keep_in_mind(stored, from_text(stored.text) if stored.text else Track())
        untold = [effect for vehicle in vehicles for effect in self._kept[vehicle][0].effects]
        if untold:
            self._tell(untold)

    def _step(
        self, vehicle: str, stored: StoredTrack, track: Track, judge: Callable[[str, Track], Judged]
    ) -> _Step:
        after, changes = judge(vehicle, track)
        moments = due(after, self._rules_about(vehicle), self.rules.settle_us)
        effects = [self._effect(vehicle, change) for change in changes]
        write = TrackWrite(stored, to_text(after), moments.now_us, moments.clock_us, effects)
        return _Step(write, after, changes)

    def _take(self, vehicle: str, track: Track, facts: Iterable[Fact]) -> Judged:
        return take(track, facts, self._rules_about(vehicle), self.rules.settle_us, self.now_us())

    def _tick(self, vehicle: str, track: Track, clock_us: int) -> Judged:
        return tick(track, self._rules_about(vehicle), self.rules.settle_us, self.now_us(), clock_us)

    def _keep_in_mind(self, stored: StoredTrack, track: Track) -> None:
        self._kept[stored.vehicle_id] = stored, track
        self._kept.move_to_end(stored.vehicle_id)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def _rules_about(self, vehicle: str) -> tuple[Rule, ...]:
        found = self._about.get(vehicle)
        if found is None:
            if len(self._about) >= MOST_KEPT:
                self._about.clear()
            found = self._about[vehicle] = self.rules.about(vehicle, self.vehicles.fleet(vehicle))
        return found

    # -- what is told -------------------------------------------------------------------------------------

    def _effect(self, vehicle: str, change: Change) -> Effect:
        """All that step 4 needs, so that whoever does it tells the same."""
        alert = alert_id(change.rule, vehicle, change.opened_us)
        return {
            "event": change.event,
            "alert_id": alert,
            "rule": change.rule,
            "vehicle_id": vehicle,
            "opened_us": change.opened_us,
            "at_us": change.at_us,
            "value": change.value,
            **self._words(vehicle, change, alert),
        }

    def _words(self, vehicle: str, change: Change, alert: str) -> Effect:
        rule = self.rules.rule(change.rule)
        if rule is not None:
            text = summary(rule, vehicle, change)
            return {"summary": text, "severity": rule.severity, "webhooks": list(rule.webhooks)}
        known = self.store.alert(alert) or {}
        webhooks = [name for name in known.get("webhooks", ()) if name in self.rules.webhooks]
        severity = known.get("severity", "warning")
        return {"summary": known.get("summary", ""), "severity": severity, "webhooks": webhooks}

    def _tell(self, effects: Sequence[Effect]) -> None:
        self.store.apply(effects, self.now_us())
        self.outbox.add((new for effect in effects for new in deliveries(effect)), self.now_us())
        self.done(AlertStep.TOLD)

    def _count(self, steps: Iterable[_Step]) -> None:
        for step in steps:
            for change in step.changes:
                self.metrics.changed(change.rule, change.event)


def deliveries(effect: Effect) -> Iterable[NewDelivery]:
    """One to each webhook of the rule. The end of an alert goes behind its beginning."""
    for webhook in effect["webhooks"]:
        opened = delivery_id(effect["alert_id"], "opened", webhook)
        if effect["event"] == "opened":
            yield NewDelivery(opened, webhook, "opened", effect)
        else:
            resolved = delivery_id(effect["alert_id"], "resolved", webhook)
            yield NewDelivery(resolved, webhook, "resolved", effect, after=opened)
