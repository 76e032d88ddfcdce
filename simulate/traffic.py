"""All messages of one source in the order in which they are sent: normal ones, anomalies, broken ones, and
those that come late, twice or out of order because something on the way held them back."""

import heapq
import math
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Final, NamedTuple

from contracts.catalog import Catalog
from simulate.compose import Composer, Draft
from simulate.fleet import Fleet
from simulate.parcel import Parcel
from simulate.plan import US, SourcePlan
from simulate.reporters import Reporter
from simulate.schedule import at_own_times, in_turn
from simulate.tally import MeasuredReceipt, Tally

SHORTEST_LATE_S: Final = 30.0
RESENT: Final = {"tesla": (b'"isResend":false', b'"isResend":true')}
"""How a source marks a message that it sends again."""


class Held(NamedTuple):
    """A message that waits on the way. `serial` keeps the order of those that are due at once."""

    due: float
    serial: int
    reporter: Reporter
    draft: Draft
    disorder: str


class Traffic:
    """The messages of one source. Iterate once; `reached_present` then says whether simulated time ran into
    the present before all was sent."""

    def __init__(self, plan: SourcePlan, catalog: Catalog) -> None:
        contract = plan.contract
        self.tally = Tally(contract.name, contract.topics[0], contract.dead_letter_topic)
        self.reached_present = False
        self.indexes = range(plan.first_vehicle, plan.first_vehicle + plan.vehicles)
        self._plan = plan
        self._start_s = plan.start_us / US
        self._fleet = Fleet(contract, catalog, plan.seed, self._start_s, plan.sensors)
        self._composer = Composer(plan, catalog)
        self._reporters: dict[int, Reporter] = {}
        self._newest_us: dict[str, int] = {}
        self._held: list[Held] = []
        self._serial = self._sent = 0
        shares = plan.shares
        self._bounds = list(
            accumulate(
                (
                    shares.invalid,
                    shares.anomalies,
                    shares.bad_signals,
                    shares.late,
                    shares.duplicates,
                    shares.out_of_order,
                )
            )
        )

    def at(self, index: int, offset_s: float) -> Reporter | None:
        """Vehicle `index` at that time, made when first asked for; None while it sleeps."""
        reporter = self._reporters.get(index)
        if reporter is None:
            reporter = self._reporters[index] = self._fleet.reporter(index)
        return reporter if reporter.advance(self._start_s + offset_s) else None

    def __iter__(self) -> Iterator[Parcel]:
        plan, offset = self._plan, 0.0
        quota = math.inf if plan.quota is None else plan.quota
        end_s = math.inf if plan.duration_s is None else plan.duration_s
        present_s = math.inf if plan.constant_rate else (plan.present_us - plan.start_us) / US
        slots = in_turn if plan.constant_rate else at_own_times
        for offset, reporter in slots(self, plan.interval_s, min(end_s, present_s)):
            while self._held and self._held[0].due <= offset:
                yield self._release(heapq.heappop(self._held))
            if self._sent + len(self._held) >= quota:
                break
            draft = self._next(reporter, offset)
            if draft is not None:
                if draft.label.reason is None:
                    self._newest_us[reporter.vehicle_id] = draft.event_us
                yield self._parcel(offset, reporter, draft)
        else:
            self.reached_present = present_s < end_s
        while self._held:
            yield self._release(heapq.heappop(self._held)._replace(due=offset))

    def _next(self, reporter: Reporter, offset: float) -> Draft | None:
        """The vehicle's message of this moment; None when it is held back."""
        composer, ahead = self._composer, 0.0
        kind = bisect_right(self._bounds, reporter.rng.random())
        match kind:
            case 0:
                return composer.broken(reporter, offset)
            case 1:
                return composer.anomalous(reporter, offset)
            case 2:
                return composer.flawed(reporter, offset)
            case 3:
                self._hold(reporter, offset, self._late_by(reporter), "late")
                return None
            case 4:
                draft = composer.normal(reporter, offset)
                self._hold_copy(reporter, offset, draft)
                return draft
            case 5:
                self._hold(
                    reporter, offset, reporter.rng.uniform(1.1, 2.5) * self._plan.interval_s, "out_of_order"
                )
                return None
        ahead = reporter.take_clock_error()
        return composer.waking(reporter, offset, ahead) if ahead else composer.normal(reporter, offset)

    def _late_by(self, reporter: Reporter) -> float:
        longest = self._plan.late_by_s
        shortest = min(SHORTEST_LATE_S, longest / 2.0)
        return math.exp(reporter.rng.uniform(math.log(shortest), math.log(longest)))

    def _hold(self, reporter: Reporter, offset: float, delay: float, disorder: str) -> None:
        draft = self._composer.normal(reporter, offset, delay)
        self._serial += 1
        heapq.heappush(self._held, Held(offset + delay, self._serial, reporter, draft, disorder))

    def _hold_copy(self, reporter: Reporter, offset: float, draft: Draft) -> None:
        """The same message again, a little later."""
        delay = reporter.rng.uniform(0.0, 3.0) * self._plan.interval_s
        if draft.payload is not None and (mark := RESENT.get(self._plan.contract.name)):
            draft = draft._replace(payload=draft.payload.replace(*mark))
        self._serial += 1
        heapq.heappush(self._held, Held(offset + delay, self._serial, reporter, draft, "duplicate"))

    def _release(self, held: Held) -> Parcel:
        """Counted as late or out of order only if a newer message of the vehicle went before."""
        due, _, reporter, draft, disorder = held
        newest = self._newest_us.get(reporter.vehicle_id, draft.event_us)
        if disorder == "duplicate" or draft.event_us < newest:
            draft = draft._replace(label=draft.label._replace(disorder=disorder))
        return self._parcel(due, reporter, draft)

    def _parcel(self, due: float, reporter: Reporter, draft: Draft) -> Parcel:
        key, payload, headers, label, _, measured, sensor = draft
        self._sent += 1
        tally = self.tally
        receipt = tally.receipt(reporter.vehicle_id, label)
        if measured is None:
            return Parcel(due, tally.topic, key, payload, headers, receipt)
        measuring = MeasuredReceipt(tally.maxima, receipt, measured, sensor)
        return Parcel(due, tally.topic, key, payload, headers, measuring)
