"""Members of the sinks' groups that come and go under load."""

from tests.faults.case import Outcome, case
from tests.faults.rig.background import background
from tests.faults.rig.groups import Groups, await_done, await_members, ends_when_answered
from tests.faults.rig.sinks import SINKS, SinkProcess
from tests.faults.rig.site import Plan, Site

RATE = 1_500.0
SECONDS = 60.0
"""Of load at scale 1, and as much longer as it takes until all members have come and gone."""

STEPS = (1, 4, 2, 1)
NEW_PROTOCOL = {"FLEETLAKE_KAFKA__GROUP_PROTOCOL": "consumer"}


@case(
    "Processes",
    "1, 4, 2 and again 1 processes of each sink under load, with the classic cooperative protocol: each has "
    "partitions, each that is taken away ends with exit code 0, nothing is lost or doubled",
)
def members_come_and_go(site: Site, scale: float) -> Outcome:
    """The members of a group share its partitions before the next step."""
    return _come_and_go(site, scale)


@case(
    "Processes",
    "1, 4, 2 and again 1 processes of each sink under load, with Kafka's new group protocol (KIP-848): each "
    "has partitions, each that is taken away ends with exit code 0, nothing is lost or doubled",
    Plan(settings=NEW_PROTOCOL),
)
def members_come_and_go_with_the_new_protocol(site: Site, scale: float) -> Outcome:
    """The same with the broker deciding who has what."""
    return _come_and_go(site, scale)


def _come_and_go(site: Site, scale: float) -> Outcome:
    groups = Groups(site.kafka.address)
    members: dict[str, list[SinkProcess]] = {sink: [] for sink in SINKS}
    facts: dict[str, str] = {}
    broken: tuple[str, ...] = ()
    seconds = 0.0
    with background(site, RATE, SECONDS * scale):
        for count in STEPS:
            broken += _change(site, members, count)
            seconds = await_members(groups, count)
            await_done(groups, ends_when_answered(groups))
            facts[f"{len(facts) + 1}. shared by {count} each after"] = f"{seconds} s"
    ended = site.sinks.unasked()
    return Outcome(seconds, facts, broken + ((f"sinks ended: {ended}",) if ended else ()))


def _change(site: Site, members: dict[str, list[SinkProcess]], count: int) -> tuple[str, ...]:
    """The oldest go first; what was wrong about how they went."""
    codes = []
    for sink, present in members.items():
        while len(present) < count:
            present.append(site.sinks.add(sink))
        while len(present) > count:
            codes.append((sink, site.sinks.remove(present.pop(0))))
    return tuple(f"a process of {sink} ended with {code}" for sink, code in codes if code != 0)
