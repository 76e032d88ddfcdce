"""Sinks killed with SIGKILL: at random moments under load, and at each step of their commit order."""

import random
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial

from tests.faults.case import Outcome, case
from tests.faults.rig.parallel import side_by_side
from tests.faults.rig.sinks import SINKS, SinkProcess
from tests.faults.rig.site import Load, Site, eventually

KILLS = 50
LONGEST_RECOVERY_SECONDS = 60.0


@dataclass(frozen=True)
class Kill:
    """A sink that died while it held uncommitted messages."""

    sink: str
    held: int
    recovery_s: float


@case(
    "Killed sinks",
    "kill -9 of history, state and routes at random moments, 50 times and more in a run of a million "
    "messages, each while the victim holds uncommitted messages: nothing lost, nothing doubled, in rows, "
    "states, dead letters, anomalies and maxima",
)
def sinks_killed_at_random_moments(site: Site, scale: float) -> Outcome:
    """Three hunters, one a sink, until the load ends."""
    site.start_sinks()
    load = site.load(int(1_000_000 * scale), 2_000.0)
    kills = hunt(site, load)
    load.finish()
    site.wait()
    by_sink = Counter(kill.sink for kill in kills)
    enough = len(kills) >= KILLS * min(1.0, scale) and len(by_sink) == len(SINKS)
    times = sorted(kill.recovery_s for kill in kills)
    return Outcome(
        recovery_s=times[-1] if times else None,
        facts={
            "kills": len(kills),
            **{f"of {sink}": by_sink[sink] for sink in SINKS},
            "median recovery": f"{times[len(times) // 2]} s" if times else "none",
            "held when killed, in all": f"{sum(kill.held for kill in kills):,}",
        },
        broken=() if enough else (f"only {len(kills)} kills counted: {dict(by_sink)}",),
    )


def hunt(site: Site, load: Load) -> list[Kill]:
    """Kills each sink again and again while the load lasts, side by side."""
    kills: list[Kill] = []

    def follow(sink: str) -> None:
        rng = random.Random(sink)
        while load.is_running:
            time.sleep(rng.uniform(0.2, 4.0))
            kill = kill_while_holding(site, site.sinks.of(sink)[0], load)
            if kill is not None:
                kills.append(kill)

    side_by_side(partial(follow, sink) for sink in SINKS)
    return kills


def kill_while_holding(site: Site, victim: SinkProcess, load: Load) -> Kill | None:
    """Kills the sink as soon as it says that it holds something uncommitted; None if the load ends first."""
    while load.is_running:
        held = victim.metric("fleetlake_uncommitted_records")
        if held:
            dead = site.sinks.kill(victim)
            return Kill(victim.sink, int(held), recovery(victim, dead))
        time.sleep(0.02)
    return None


def recovery(victim: SinkProcess, dead: int) -> float:
    """Seconds until a successor has committed something."""
    return eventually(
        lambda: victim.pid not in (None, dead) and victim.metric("fleetlake_batches_total"),
        LONGEST_RECOVERY_SECONDS,
        f"{victim.sink} commits again",
    )
