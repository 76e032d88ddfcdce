"""Kafka's nodes lost under load: the only one, one of three, and those on which something depends."""

import signal
import time
from collections.abc import Callable, Mapping

from tests.faults.case import Outcome, case
from tests.faults.rig.background import background
from tests.faults.rig.cluster import Cluster
from tests.faults.rig.groups import Groups, await_done, ends_when_answered
from tests.faults.rig.restarts import ended_otherwise, restarted
from tests.faults.rig.sinks import SINKS
from tests.faults.rig.site import Plan, Site
from tests.servers import Kafka

RATE = 2_000.0
SECONDS = 80.0
"""Of load at scale 1, or until everything was broken that is to be."""

AWAY_SECONDS = 5.0
THREE = Plan(nodes=3)
ROUTES_TRANSACTIONS = "fleetlake.routes.0"
"""The transactional id of the first routes process."""

Find = Callable[[Cluster, Groups], int]


@case(
    "Kafka",
    "the only broker is killed with kill -9 under load and started again: what it had acknowledged is there, "
    "every sink goes on by itself or after its restart, nothing is lost or doubled",
)
def broker_killed_and_restarted(site: Site, scale: float) -> Outcome:
    """Sinks and producer stay up; recovery is counted from Kafka's return."""
    kafka, groups = site.kafka, Groups(site.kafka.address)
    assert isinstance(kafka, Kafka)
    site.start_sinks()
    with background(site, RATE, SECONDS * scale):
        await_done(groups, ends_when_answered(groups))
        code = _kill(kafka)
        time.sleep(AWAY_SECONDS)
        kafka.start()
        recovery = await_done(groups, ends_when_answered(groups))
    facts = {"broker ended by": code, "away": f"{AWAY_SECONDS:g} s", "recovery counts from": "its return"}
    return Outcome(recovery, {**facts, **restarted(site)}, _not_killed(code) + ended_otherwise(site))


@case(
    "Kafka",
    "one of three brokers (replication 3, min.insync.replicas 2) is killed with kill -9 under load and comes "
    "back: producer and sinks go on without it, nothing is lost or doubled",
    THREE,
)
def one_of_three_brokers_killed(site: Site, scale: float) -> Outcome:
    """The one that leads most of what there is."""

    def busiest(cluster: Cluster, groups: Groups) -> int:
        del groups
        leaders = [each.leader for each in cluster.replicas().values()]
        return max(sorted(set(leaders)), key=leaders.count)

    return _lose(site, scale, {"leader of most partitions": busiest})


@case(
    "Kafka",
    "the broker that coordinates a sink's group is killed with kill -9 under load, for each of the three "
    "groups in turn, and comes back: the group goes on under another one, nothing is lost or doubled",
    THREE,
)
def group_coordinators_lost(site: Site, scale: float) -> Outcome:
    """Asked anew each time: what has moved does not go back at once."""

    def leading(sink: str) -> Find:
        return lambda cluster, groups: groups.coordinator(sink)

    return _lose(site, scale, {f"coordinator of {sink}": leading(sink) for sink in SINKS})


@case(
    "Kafka",
    "the active controller is killed with kill -9 under load and comes back: another one is elected, nothing "
    "is lost or doubled",
    THREE,
)
def active_controller_lost(site: Site, scale: float) -> Outcome:
    """The leader of the metadata quorum; it is a broker, too."""
    return _lose(site, scale, {"active controller": lambda cluster, groups: cluster.controller()})


@case(
    "Kafka",
    "the broker that coordinates the transactions of routes is killed with kill -9 under load and comes "
    "back: no transaction is half visible, nothing is lost or doubled",
    THREE,
)
def transaction_coordinator_lost(site: Site, scale: float) -> Outcome:
    """Dead letters, anomalies and maxima are what would show it."""

    def coordinating(cluster: Cluster, groups: Groups) -> int:
        del groups
        return cluster.transaction_coordinator(ROUTES_TRANSACTIONS)

    return _lose(site, scale, {"transaction coordinator": coordinating})


def _lose(site: Site, scale: float, roles: Mapping[str, Find]) -> Outcome:
    """Kills whoever has each role, in turn, and lets it come back; recovery is the longest that the sinks
    took without it. That the role went to another is part of the promise."""
    site.start_sinks()
    cluster, groups = Cluster(site), Groups(site.kafka.address)
    facts: dict[str, str] = {}
    broken: tuple[str, ...] = ()
    recoveries = []
    with background(site, RATE, SECONDS * scale):
        await_done(groups, ends_when_answered(groups))
        for role, find in roles.items():
            victim = find(cluster, groups)
            broken += _not_killed(_kill(cluster.node(victim)))
            ends = ends_when_answered(groups)
            recoveries.append(await_done(groups, ends))
            heir = find(cluster, groups)
            facts[role] = f"{victim} → {heir}, {recoveries[-1]} s"
            broken += (f"{role} is still {victim}",) if heir == victim else ()
            cluster.node(victim).start()
            cluster.await_in_sync()
            await_done(groups, ends_when_answered(groups))
    return Outcome(max(recoveries), {**facts, **restarted(site)}, broken + ended_otherwise(site))


def _kill(kafka: Kafka) -> int | None:
    """What its process ended with."""
    kafka.kill()
    assert kafka.server is not None
    return kafka.server.process.poll()


def _not_killed(code: int | None) -> tuple[str, ...]:
    return () if code == -signal.SIGKILL else (f"the broker ended with {code}",)
