"""Sinks killed at each step of their commit order, of taking partitions over, and of giving them up: where
a kill at random moments rarely hits."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from ingest.steps import HistoryStep, RebuildStep, RoutesStep, StateStep, Step
from tests.faults.case import Outcome, case
from tests.faults.rig.background import background
from tests.faults.rig.groups import Groups, await_begun
from tests.faults.rig.parallel import side_by_side
from tests.faults.rig.sinks import SinkProcess, dies_at
from tests.faults.rig.site import Site, eventually
from tests.faults.rig.traffic import DEAD_LETTERS

RATE = 1_500.0
SECONDS = 60.0
"""Of load at scale 1, and as much longer as it takes until all steps had their kill."""

DEATH_SECONDS = 180.0
RECOVERY_SECONDS = 180.0
REBUILD_SECONDS = 300.0
SECOND = 2
"""Kills at a commit's steps are at a process's second: it has made one, and holds what came since."""

STEPS: dict[str, type[Step]] = {"history": HistoryStep, "state": StateStep, "routes": RoutesStep}
ONCE_A_LIFE = (
    HistoryStep.RELOADED, HistoryStep.VERSIONS_READ, HistoryStep.SOUGHT, HistoryStep.FLUSHED,
    StateStep.PLACED, StateStep.FLUSHED,
    RoutesStep.PLACED, RoutesStep.RESTORED, RoutesStep.ABORTED, RoutesStep.CLOSED,
)  # fmt: skip
GIVEN_UP = (HistoryStep.FLUSHED, StateStep.FLUSHED, RoutesStep.CLOSED)
RIVAL = {"FLEETLAKE_KAFKA__GROUP_PREFIX": "rival"}
TOO_SMALL = 100
"""A limit of the dead-letter topics that no letter keeps: its transaction is aborted."""


@case(
    "Killed sinks",
    "a process of each sink is killed with kill -9 at each named step of its order under load, one step "
    "after the other, and so is a rebuild of the state; whoever comes next goes on: nothing is lost or "
    "doubled, in rows, states, dead letters, anomalies and maxima",
)
def sinks_killed_at_every_step(site: Site, scale: float) -> Outcome:
    """All side by side; recovery is the longest from a death to the next commit."""
    recoveries: dict[Step, float] = {}
    codes: dict[RebuildStep, int] = {}
    with background(site, RATE, SECONDS * scale):
        victims = [partial(_kill_at_each, site, sink, recoveries) for sink in STEPS]
        side_by_side([*victims, partial(_kill_rebuilds, site, codes)])
    site.command("state", "rebuild")
    missing = [str(step) for steps in STEPS.values() for step in steps if step not in recoveries]
    alive = [
        f"rebuild at {step} ended with {code}" for step, code in codes.items() if code != -signal.SIGKILL
    ]
    ended = site.sinks.unasked()
    return Outcome(
        max(recoveries.values()),
        {f"steps of {sink}": sum(step in recoveries for step in steps) for sink, steps in STEPS.items()}
        | {"steps of the rebuild": len(codes)},
        tuple(alive)
        + tuple(f"no kill at {step}" for step in missing)
        + ((f"sinks ended: {ended}",) if ended else ()),
    )


def _kill_at_each(site: Site, sink: str, recoveries: dict[Step, float]) -> None:
    """Each victim is the group's only member, replaced by the next one when it is ordinary again."""
    for step in STEPS[sink]:
        count = 1 if step in ONCE_A_LIFE else SECOND
        victim = site.sinks.add(sink, fate=dies_at(step, count))
        with _provoked(site, victim, step):
            eventually(lambda v=victim: v.fate_code is not None, DEATH_SECONDS, f"{sink} dies at {step}")
        assert victim.fate_code == -signal.SIGKILL, f"{sink} at {step} ended with {victim.fate_code}"
        recoveries[step] = eventually(
            lambda v=victim: v.metric("fleetlake_batches_total"),
            RECOVERY_SECONDS,
            f"{sink} goes on after {step}",
        )
        if step is not list(STEPS[sink])[-1]:
            code = site.sinks.remove(victim)
            assert code == 0, f"{sink} after {step} stopped with {code}"


@contextmanager
def _provoked(site: Site, victim: SinkProcess, step: Step) -> Iterator[None]:
    """What it takes that a step is come to at all."""
    with ExitStack() as stack:
        if step in GIVEN_UP:
            eventually(lambda: victim.metric("fleetlake_batches_total"), DEATH_SECONDS, "it has partitions")
            stack.callback(site.sinks.remove, site.sinks.add(victim.sink))
        elif step is HistoryStep.SOUGHT:
            stack.callback(site.sinks.remove, site.sinks.add("history", environment=RIVAL))
        elif step is RoutesStep.ABORTED:
            stack.enter_context(_letters_refused(site))
        yield


@contextmanager
def _letters_refused(site: Site) -> Iterator[None]:
    admin = AdminClient({"bootstrap.servers": site.kafka.address})
    _alter(
        admin, ConfigEntry("max.message.bytes", str(TOO_SMALL), incremental_operation=AlterConfigOpType.SET)
    )
    try:
        yield
    finally:
        _alter(admin, ConfigEntry("max.message.bytes", None, incremental_operation=AlterConfigOpType.DELETE))


def _alter(admin: AdminClient, entry: ConfigEntry) -> None:
    topics = [
        ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        for topic in DEAD_LETTERS.values()
    ]
    for answer in admin.incremental_alter_configs(topics).values():
        answer.result()


def _kill_rebuilds(site: Site, codes: dict[RebuildStep, int]) -> None:
    """Beside the sinks' deaths, once there is a history to rebuild from."""
    await_begun(Groups(site.kafka.address), "history")
    for step in RebuildStep:
        codes[step] = _rebuild_killed_at(site, step)


def _rebuild_killed_at(site: Site, step: RebuildStep) -> int:
    """Its exit code."""
    log = site.logs / f"rebuild-{step}.log"
    with log.open("ab") as output:
        done = subprocess.run(
            [sys.executable, "-m", "tests.ingest.sink_process", "rebuild", *dies_at(step)],
            env={**os.environ, **site.environment},
            stdout=output,
            stderr=output,
            timeout=REBUILD_SECONDS,
            check=False,
        )
    return done.returncode
