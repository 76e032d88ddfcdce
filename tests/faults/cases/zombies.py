"""Processes that stand still until others have taken their partitions over, and then go on."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from ingest.steps import HistoryStep, RoutesStep, StateStep
from tests.faults.case import Outcome, case
from tests.faults.rig.background import background
from tests.faults.rig.groups import Groups, await_done, await_members, ends_when_answered
from tests.faults.rig.sinks import SINKS, SinkProcess, freezes_at
from tests.faults.rig.site import Plan, Site, eventually
from tests.faults.rig.traffic import ANOMALIES, DEAD_LETTERS, MAXIMA
from tests.faults.rig.verdict import bronze_rows, read_committed

RATE = 2_000.0
SECONDS = 40.0
"""Of load at scale 1, before the freeze and after it; and as much longer as that takes."""

FREEZE_SECONDS = 120.0
FATES = {
    "history": freezes_at(HistoryStep.WRITTEN, 2),
    "state": freezes_at(StateStep.REDUCED, 100),
    "routes": freezes_at(RoutesStep.OFFSETS_SENT, 20),
}
"""Each stands still with something in hand: rows in files and a commit to be made, values to be written, a
transaction that only its commit is missing."""

PROMISE = (
    "a process of history, state and routes each stands still (SIGSTOP) with uncommitted work until "
    "another has all its partitions and has done all there is, and goes on (SIGCONT): it adds no row of "
    "bronze and no record that a read-committed reader sees, and each group has two members again"
)


@case("Processes", f"{PROMISE}; classic cooperative protocol")
def frozen_processes(site: Site, scale: float) -> Outcome:
    """All three at once."""
    return _freeze(site, scale)


@case(
    "Processes",
    f"{PROMISE}; new group protocol (KIP-848)",
    Plan(settings={"FLEETLAKE_KAFKA__GROUP_PROTOCOL": "consumer"}),
)
def frozen_processes_with_the_new_protocol(site: Site, scale: float) -> Outcome:
    """All three at once."""
    return _freeze(site, scale)


def _freeze(site: Site, scale: float) -> Outcome:
    """1. a second member of each group stands still under load; 2. the first does all there is; 3. the zombie
    goes on, and nothing more becomes visible; 4. both share the load again."""
    groups = Groups(site.kafka.address)
    site.start_sinks()
    with ExitStack() as thawed:
        with background(site, RATE, SECONDS * scale):
            await_done(groups, ends_when_answered(groups))
            zombies = [site.sinks.add(sink, fate=FATES[sink]) for sink in SINKS]
            thawed.callback(_thaw, zombies)
            eventually(lambda: all(z.is_frozen for z in zombies), FREEZE_SECONDS, "all stand still")  # 1
            moved = await_members(groups, 1)
        site.wait()  # 2
        before = _visible(site)
    back = await_members(groups, 2)  # 3
    site.wait()
    after = _visible(site)
    with background(site, RATE, SECONDS * scale):  # 4
        await_done(groups, ends_when_answered(groups))
    ends = {zombie.sink: zombie.fate_code for zombie in zombies if zombie.fate_code is not None}
    return Outcome(
        back,
        {
            "taken over after": f"{moved} s",
            "visible meanwhile": before,
            "zombies that ended by themselves": ends,
        },
        _added(before, after) + _unexpected(ends, site.sinks.unasked()),
    )


def _thaw(zombies: Sequence[SinkProcess]) -> None:
    for zombie in zombies:
        zombie.thaw()


def _visible(site: Site) -> dict[str, int]:
    """How much of everything a reader sees."""
    topics = [*DEAD_LETTERS.values(), ANOMALIES, MAXIMA]
    records = {topic: sum(1 for _ in read_committed(site.kafka.address, topic)) for topic in topics}
    return {"rows of bronze": bronze_rows(*site.lake).height, **records}


def _added(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(
        f"the zombies added to {name}: {before[name]} → {count}"
        for name, count in after.items()
        if count != before[name]
    )


def _unexpected(ends: Mapping[str, int], unasked: Mapping[str, Sequence[int]]) -> tuple[str, ...]:
    """Routes may end: Kafka has given its name to another life, and a new process takes its place."""
    wrong = {sink: code for sink, code in ends.items() if (sink, code) != ("routes", 1)} | dict(unasked)
    return (f"sinks ended: {wrong}",) if wrong else ()
