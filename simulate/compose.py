"""What one message of a vehicle says: a normal one, one with an anomaly, a broken one, one with a bad signal.
Each comes with the label under which it must be found again."""

from bisect import bisect_right
from itertools import accumulate
from typing import Final, NamedTuple

from contracts.catalog import Catalog
from contracts.model import Contract
from simulate.anomalies import kinds, with_anomaly
from simulate.bad_values import flaw
from simulate.fault import Patient
from simulate.faults import faults_of
from simulate.plan import US, SourcePlan
from simulate.reporters import Observation, Reporter
from simulate.stencil import Facts
from simulate.tally import PLAIN, Label
from simulate.writer import Headers, Writer

SHORTEST_LATENCY_S: Final = 0.04
LATENCY_SPREAD_S: Final = 0.36
"""From the vehicle to the server that stamps the time of receipt."""
MILLISECOND_US: Final = 1_000
TICKS_US: Final = {"epoch_s": US, "epoch_ms": MILLISECOND_US, "epoch_us": 1}


class Draft(NamedTuple):
    """A message that is not yet sent. `measured` is the value whose maximum counts, where it is valid."""

    key: bytes | None
    payload: bytes | None
    headers: Headers
    label: Label
    event_us: int
    measured: float | None
    sensor: str | None


class Composer:
    """Composes the messages of one source."""

    def __init__(self, plan: SourcePlan, catalog: Catalog) -> None:
        self._contract = contract = plan.contract
        self._writer = Writer(contract, catalog)
        self._start_us = plan.start_us
        self._tick_us = tick_us(contract, plan.interval_s)
        self._received = contract.received_time is not None
        self._measured = contract.maximum.signal if contract.maximum else None
        self._faults = faults_of(contract)
        self._weights = list(accumulate(fault.weight for fault in self._faults))

    def normal(self, reporter: Reporter, offset_s: float, delay_s: float = 0.0) -> Draft:
        """What the vehicle reports; the server receives it `delay_s` later than usual."""
        return self._draft(reporter, self._facts(reporter, offset_s, delay_s), reporter.observe())

    def waking(self, reporter: Reporter, offset_s: float, ahead_s: float) -> Draft:
        """The first message after waking up, by a clock that is ahead."""
        facts = self._facts(reporter, offset_s, 0.0)
        true_us, ahead_us = facts.event_us, int(ahead_s * US)
        facts = facts._replace(event_us=true_us + ahead_us - ahead_us % self._tick_us)
        draft = self._draft(reporter, facts, reporter.observe())
        return draft._replace(label=draft.label._replace(clock_ahead=True), event_us=true_us)

    def anomalous(self, reporter: Reporter, offset_s: float) -> Draft:
        """One signal is beyond a threshold, where the source has any."""
        alone = self._contract.shape == "long"
        seen = with_anomaly(reporter.observe(), reporter.channels, reporter.rng, alone=alone)
        return self._draft(reporter, self._facts(reporter, offset_s, 0.0), seen)

    def broken(self, reporter: Reporter, offset_s: float) -> Draft:
        """A message that must be rejected. A kind that this message cannot have gives way to the next one."""
        facts, seen = self._facts(reporter, offset_s, 0.0), reporter.observe()
        key, payload, headers = self._writer.write(facts, seen)
        patient = Patient(self._contract, key, payload, [channel for channel, _ in seen], reporter.rng)
        first = bisect_right(self._weights, reporter.rng.random() * self._weights[-1])
        for fault in (*self._faults[first:], *self._faults[:first]):
            broken = fault.operation(patient)
            if broken is not None:
                label = Label(reason=fault.reason, fault=fault.name)
                return Draft(broken.key, broken.payload, headers, label, facts.event_us, None, facts.sensor)
        raise AssertionError(self._contract.name)

    def flawed(self, reporter: Reporter, offset_s: float) -> Draft:
        """A message that lives although one of its signals is refused; a normal one where none can."""
        facts, seen = self._facts(reporter, offset_s, 0.0), reporter.observe()
        draft = self._draft(reporter, facts, seen)
        patient = Patient(
            self._contract, draft.key, draft.payload or b"", [channel for channel, _ in seen], reporter.rng
        )
        found = flaw(patient)
        if found is None:
            return draft
        left = [(channel, value) for channel, value in seen if channel.signal != found.signal]
        return draft._replace(
            payload=found.payload,
            label=Label(refused_signal=found.reason, anomalies=kinds(left)),
            measured=self._measurement(left),
        )

    def _draft(self, reporter: Reporter, facts: Facts, seen: Observation) -> Draft:
        key, payload, headers = self._writer.write(facts, seen)
        crossed = kinds(seen)
        label = Label(anomalies=crossed) if crossed else PLAIN
        measured = self._measurement(seen) if self._measured else None
        return Draft(key, payload, headers, label, facts.event_us, measured, facts.sensor)

    def _facts(self, reporter: Reporter, offset_s: float, delay_s: float) -> Facts:
        true_us = self._start_us + int(offset_s * US)
        received_us = None
        if self._received:
            latency = SHORTEST_LATENCY_S + LATENCY_SPREAD_S * reporter.rng.random() + delay_s
            received_us = (true_us + int(latency * US)) // MILLISECOND_US * MILLISECOND_US
        sensor = reporter.sensor() if reporter.sensors else None
        return Facts(reporter.vehicle_id, true_us - true_us % self._tick_us, received_us, sensor)

    def _measurement(self, seen: Observation) -> float | None:
        for channel, value in seen:
            if channel.signal == self._measured and not isinstance(value, str):
                return float(value)
        return None


def tick_us(contract: Contract, interval_s: float) -> int:
    """How finely a source tells time: as its contract's example does, but for ISO times and columns finely
    enough that a vehicle's messages differ."""
    source = contract.event_time[0]
    if source.columns is None and source.format[0] != "iso":
        return TICKS_US[source.format[0]]
    fraction = (source.like or "").removesuffix("Z").removesuffix("+00:00")[20:]
    tick = int(10 ** (6 - len(fraction)))
    return tick if tick <= interval_s * US / 2 else min(tick, MILLISECOND_US)
