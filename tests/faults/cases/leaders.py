"""Partitions moved from node to node under load, as an operator does who replaces or balances brokers."""

from collections.abc import Mapping

from tests.faults.case import Outcome, case
from tests.faults.rig.background import background
from tests.faults.rig.cluster import Cluster, Replicas
from tests.faults.rig.groups import Groups, Place, await_done, ends_when_answered
from tests.faults.rig.restarts import ended_otherwise, restarted
from tests.faults.rig.site import Plan, Site

RATE = 2_000.0
SECONDS = 80.0


@case(
    "Kafka",
    "every partition, the group coordinators' and the transaction coordinators' included, loses its leader's "
    "replica under load and is led by another node, then is copied back and led by a third: nothing is lost "
    "or doubled",
    Plan(nodes=3),
)
def leaders_moved(site: Site, scale: float) -> Outcome:
    """By reassignment and election of the preferred leaders; recovery counts from the last election."""
    site.start_sinks()
    cluster, groups = Cluster(site), Groups(site.kafka.address)
    with background(site, RATE, SECONDS * scale):
        await_done(groups, ends_when_answered(groups))
        first = cluster.replicas()
        cluster.assign({place: _others(each) for place, each in first.items()})
        await_done(groups, ends_when_answered(groups))
        second = cluster.replicas()
        cluster.assign({place: (*_others(second[place]), each.leader) for place, each in first.items()})
        recovery = await_done(groups, ends_when_answered(groups))
        third = cluster.replicas()
    moves = _moved(first, second) + _moved(second, third)
    return Outcome(
        recovery,
        {"partitions": len(first), "moves": moves, **restarted(site)},
        (() if moves == 2 * len(first) else ("some leader did not move",)) + ended_otherwise(site),
    )


def _others(replicas: Replicas) -> tuple[int, ...]:
    return tuple(node for node in replicas.all if node != replicas.leader)


def _moved(before: Mapping[Place, Replicas], after: Mapping[Place, Replicas]) -> int:
    return sum(before[place].leader != after[place].leader for place in before)
