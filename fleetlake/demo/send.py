"""Sends the demo's messages, with the same code as `fleetlake replay` and `fleetlake simulate`, and adds up
what Kafka acknowledged: the summary is checked against that."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from broker.producer import Producer
from broker.settings import KafkaSettings
from contracts.registry import Registry
from fleetlake.demo.plan import FIVE_SYSTEMS, Expected, Traffic
from simulate.outlets import KafkaOutlet, Outlet
from simulate.pacing import Clock
from simulate.plan import Request, Shares
from simulate.recordings import Recording
from simulate.replay_run import ReplayRun
from simulate.run import Simulation
from simulate.send import Progress


class NotAcknowledged(Exception):
    """Kafka did not take all messages.

    Operator action: look at the broker's log; `fleetlake doctor` says whether it answers.
    """

    def __init__(self, failed: int) -> None:
        self.failed = failed
        super().__init__(f"{failed} messages were not acknowledged")


class Run(Protocol):
    """A simulation or a replay."""

    @property
    def failed(self) -> int: ...
    def run(self, outlet: Outlet, clock: Clock, progress: Callable[[Progress], None]) -> None: ...
    def report(self) -> dict[str, Any]: ...


@dataclass
class Sender:
    """Sends, and remembers what was acknowledged."""

    kafka: KafkaSettings
    registry: Registry
    sent: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    maxima: dict[str, float] = field(default_factory=dict)

    def replay(self, source: str, files: Sequence[Path]) -> int:
        """Sends recorded files as fast as it goes; returns how many messages."""
        run = ReplayRun([Recording(file) for file in files], source, self.registry, speed=None)
        self._carry_out(run)
        report = run.report()
        self._add(source, report)
        return int(report["acknowledged"])

    def simulate(self, traffic: Traffic, now_us: int) -> int:
        """Sends mixed traffic of all five systems at its rate; returns how many messages."""
        request = Request(
            sources=FIVE_SYSTEMS,
            vehicles=traffic.vehicles,
            sensors=traffic.sensors,
            rate=traffic.rate,
            count=traffic.count,
            present_us=now_us,
            seed=now_us % 1_000_000,
            shares=Shares(invalid=traffic.invalid),
        )
        run = Simulation(request, self.registry)
        self._carry_out(run)
        report = run.report()
        for source, counts in report["sources"].items():
            self._add(source, counts)
        self.maxima = {
            vehicle: float(maximum["value"])
            for vehicle, maximum in report["sources"]["pressure"]["maxima"].items()
        }
        return int(report["total"]["acknowledged"])

    @property
    def expected(self) -> Expected:
        """What all of it must have added to the lake."""
        return Expected(dict(self.sent), dict(self.rejected), dict(self.maxima))

    def _carry_out(self, run: Run) -> None:
        clock = Clock(time.monotonic, time.sleep, lambda: False)
        run.run(KafkaOutlet(Producer(self.kafka)), clock, lambda progress: None)
        if run.failed:
            raise NotAcknowledged(run.failed)

    def _add(self, source: str, counts: dict[str, Any]) -> None:
        self.sent[source] += counts["acknowledged"]
        self.rejected.update(counts["invalid_by_reason"])
