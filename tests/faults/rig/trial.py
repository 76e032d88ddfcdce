"""The course that most cases take: a load without an end, faults in its midst, each with its way back, and
the end of the load. Whoever does not need what is broken must not be held up meanwhile."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.faults.case import Outcome
from tests.faults.rig.progress import Progress
from tests.faults.rig.sinks import SINKS, SinkProcess
from tests.faults.rig.site import Load, Site, eventually

RATE = 2_500.0
"""Times the scale: a fault takes as long at any scale."""

ENDLESS = 100_000_000
START_SECONDS = 180.0
RECOVERY_SECONDS = 300.0
LONGEST_DELAY_SECONDS = 20.0
"""What a sink that has nothing to do with the fault may be behind: much less than the faults take."""


@dataclass(frozen=True, slots=True)
class Window:
    """One fault: when it began, when it was over, and what was in the log then."""

    began: float
    ended: float
    written: int

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass
class Trial:
    """A load under way."""

    site: Site
    load: Load
    progress: Progress
    faults: list[Window] = field(default_factory=list)

    @contextmanager
    def fault(self) -> Iterator[None]:
        """The block is a fault."""
        began = time.monotonic()
        yield
        self.faults.append(Window(began, time.monotonic(), self.progress.latest.written))

    def hold(self, seconds: float) -> None:
        """Lets things be as they are."""
        time.sleep(seconds)

    def kill(self, sink: str) -> None:
        """SIGKILL as soon as there is a process of that sink."""
        member = self.member(sink)
        eventually(lambda: member.pid is not None, START_SECONDS, f"{sink} runs")
        self.site.sinks.kill(member)

    def member(self, sink: str) -> SinkProcess:
        """The process of a sink that has one."""
        return self.site.sinks.of(sink)[0]

    def recover(self, sink: str) -> float:
        """Seconds from the end of the last fault until the sink had done all that was in the log then."""
        fault = self.faults[-1]
        eventually(
            lambda: self.progress.latest.done[sink] >= fault.written,
            RECOVERY_SECONDS,
            f"{sink} has caught up",
        )
        return round(time.monotonic() - fault.ended, 1)

    def worst(self, sink: str) -> float:
        """The most seconds that it was behind during any fault."""
        return max(self.progress.worst(sink, fault.began, fault.ended) for fault in self.faults)

    def gained(self, sink: str) -> int:
        """How many messages it did during all faults."""
        return sum(self.progress.gained(sink, fault.began, fault.ended) for fault in self.faults)

    def outcome(
        self, sink: str | None, recovery_s: float, facts: Mapping[str, Any], happened: Mapping[str, bool]
    ) -> Outcome:
        """Of a case in which only `sink` may wait, or none; `happened` is what must be true for it to mean
        anything."""
        worst = {name: self.worst(name) for name in SINKS}
        late = [name for name in SINKS if name != sink and worst[name] > LONGEST_DELAY_SECONDS]
        return Outcome(
            recovery_s=recovery_s,
            facts={
                "faults": " + ".join(f"{fault.seconds:.0f} s" for fault in self.faults),
                **{f"{name} behind at most": f"{seconds} s" for name, seconds in worst.items()},
                **facts,
            },
            broken=(
                *(f"{name} was {worst[name]} s behind during a fault" for name in late),
                *(f"did not hold: {what}" for what, is_true in happened.items() if not is_true),
            ),
        )


@contextmanager
def trial(site: Site, scale: float, **load: Any) -> Iterator[Trial]:
    """All sinks at work under load while the block runs; all of it is acknowledged afterwards."""
    site.start_sinks()
    with Progress(site.kafka.address) as progress:
        running = site.load(ENDLESS, RATE * scale, **load)
        eventually(lambda: all(progress.latest.done.values()), START_SECONDS, "every sink has done something")
        yield Trial(site, running, progress)
        assert running.is_running, "the producer ended by itself"
        running.stop()
