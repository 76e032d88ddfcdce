"""Topics that change under running sinks: they grow, and they lose what was acknowledged too lightly."""

import time

import numpy as np

from tests.faults.case import Outcome, case
from tests.faults.rig.cluster import Cluster
from tests.faults.rig.record import TOPIC_NAMES
from tests.faults.rig.site import Load, Plan, Site, eventually
from tests.faults.rig.topics import TopicAdmin
from tests.faults.rig.traffic import CAR, PRESSURE, TCU, TOPICS

MESSAGES = 200_000
ENDLESS = 100_000_000
RATE = 3_000.0
GROWN = {TCU: 9, CAR: 8, PRESSURE: 7}
NOTICES_SOON = {"topic.metadata.refresh.interval.ms": 1_000}
PATIENCE_SECONDS = 180.0
ALONE_SECONDS = 3.0
"""How long the leader acknowledges what nobody else has; less than replica.lag.time.max.ms."""


@case(
    "Topics",
    "Partitions added to all source topics under load: history, state and routes take the new ones up "
    "without a restart, every message of them is landed from the first, and the maxima of vehicles whose "
    "sensors moved to other partitions stay right",
)
def partitions_added_under_load(site: Site, scale: float) -> Outcome:
    """The producer uses the new partitions as soon as it knows of them, usually before the sinks do."""
    topics = TopicAdmin(site)
    site.start_sinks()
    fifth = MESSAGES * scale / 5
    load = site.load(ENDLESS, RATE, producer=NOTICES_SOON)
    eventually(lambda: _count(topics) > fifth, PATIENCE_SECONDS, "messages are sent")
    before = {topic: len(topics.partitions(topic)) for topic in GROWN}
    for topic, partitions in GROWN.items():
        topics.grow(topic, partitions)

    def added() -> dict[str, int]:
        spans = {topic: topics.spans(topic).items() for topic in GROWN}
        return {topic: sum(end for p, (_, end) in spans[topic] if p >= before[topic]) for topic in GROWN}

    eventually(lambda: sum(added().values()) > fifth, PATIENCE_SECONDS, "the new partitions are used")
    load.stop()
    recovery = site.wait()
    fresh = added()
    facts = {f"in new partitions of {topic}": f"{count:,}" for topic, count in fresh.items()}
    broken = tuple(f"nothing in new partitions of {topic}" for topic, count in fresh.items() if not count)
    broken += tuple(f"{sink} ended: {codes}" for sink, codes in site.sinks.unasked().items())
    return Outcome(recovery_s=recovery, facts=facts, broken=broken)


def _count(topics: TopicAdmin) -> int:
    return sum(end for topic in TOPICS.values() for _, end in topics.spans(topic).values())


@case(
    "Topics",
    "A producer with acks=1 on three brokers, and a leader that dies with messages only it had: those are "
    "lost by Kafka although they were acknowledged, and no sink ever saw them; everything that Kafka kept is "
    "landed once, with states, dead letters and maxima to match, and the audit is clean",
    Plan(nodes=3),
)
def producer_with_acks_1_loses_its_leader(site: Site, scale: float) -> Outcome:
    """The truth is what Kafka has in the end, read with a plain consumer."""
    topics, cluster = TopicAdmin(site), Cluster(site)
    site.start_sinks()
    load = site.load(int(MESSAGES * scale), RATE, producer={"enable.idempotence": False, "acks": "1"})
    eventually(lambda: _count(topics) > load.spec.count * 0.3, PATIENCE_SECONDS, "messages are sent")
    leader = cluster.replicas()[(TCU, 0)].leader
    _die_alone(cluster, leader)
    load.finish()
    cluster.node(leader).launch()
    cluster.await_in_sync()
    began = time.monotonic()
    site.wait()
    recovery = round(time.monotonic() - began, 1)
    acknowledged = {(*place,) for place in _places(load)}
    _note_what_kafka_has(topics, load)
    lost = len(acknowledged - {(*place,) for place in _places(load)})
    facts = {"acknowledged to the producer": f"{len(acknowledged):,}", "of them lost by Kafka": f"{lost:,}"}
    broken = () if lost else ("Kafka lost nothing: the fault did not happen",)
    return Outcome(recovery_s=recovery, facts=facts, broken=broken)


def _die_alone(cluster: Cluster, leader: int) -> None:
    """The followers stand still for a moment; what the leader acknowledges meanwhile dies with it."""
    followers = [node for number in (1, 2, 3) if number != leader for node in [cluster.node(number)]]
    for node in followers:
        node.freeze()
    time.sleep(ALONE_SECONDS)
    cluster.node(leader).kill()
    for node in followers:
        node.thaw()


def _places(load: Load) -> list[tuple[int, int, int, int]]:
    """Message, topic, partition and offset of each receipt."""
    with np.load(load.record) as saved:
        columns = [saved[name].tolist() for name in ("number", "topic", "partition", "offset")]
    return list(zip(*columns, strict=True))


def _note_what_kafka_has(topics: TopicAdmin, load: Load) -> None:
    """The record becomes what can be read from the log: the n-th message is known by its bytes."""
    numbers = {load.traffic.message(n).payload: n for n in range(load.spec.first + load.spec.count)}
    found = [
        (numbers[record.value], TOPIC_NAMES.index(topic), record.partition, record.offset)
        for topic in TOPIC_NAMES
        for record in topics.read(topic)
    ]
    columns = np.array(found, np.int64).T
    np.savez(load.record, **dict(zip(("number", "topic", "partition", "offset"), columns, strict=True)))
