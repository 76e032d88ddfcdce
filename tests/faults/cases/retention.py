"""Logs with less in them than was sent: cut off by retention before anybody read them, or compacted."""

import time
from collections.abc import Mapping
from typing import Any

from tests.faults.case import Outcome, case
from tests.faults.rig.site import Site, eventually
from tests.faults.rig.topics import TopicAdmin, end_sinks
from tests.faults.rig.traffic import TCU

MESSAGES = 100_000
RATE = 3_000.0
FEW = 200
AT_ONCE = 100_000.0
PATIENCE_SECONDS = 180.0
SETTLED_SECONDS = 5.0
"""A round of the cleaner that has begun ends meanwhile."""

OPERATOR_NEEDED = 3
COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "1000",
    "min.cleanable.dirty.ratio": "0.01",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "1000",
}
KEPT = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": "86400000",
    "max.compaction.lag.ms": "86400000",
}

Ranges = set[tuple[str, int, int, int]]
"""Topic, partition, first and last offset."""


@case(
    "Topics",
    "Retention removes messages that no sink has read: history ends with CheckpointOutsideLog (exit code 3) "
    "instead of going on in silence, the audit names exactly the offsets that are gone and exits 1, before "
    "the repair and after it; after `fleetlake checkpoint skip` everything that Kafka still had is exact",
)
def retention_faster_than_the_sinks(site: Site, scale: float) -> Outcome:
    """Compares by itself, because the audit must not be clean: it must name these offsets and no others."""
    topics = TopicAdmin(site)
    site.start_sinks()
    count = int(MESSAGES * scale)
    site.load(count, RATE).finish()
    site.wait()
    end_sinks(site)
    read = {partition: end for partition, (_, end) in topics.spans(TCU).items()}
    unread = site.load(count, RATE)
    unread.finish()
    cuts = {p: (read[p] + end) // 2 for p, (_, end) in topics.spans(TCU).items()}
    topics.cut_off(TCU, cuts)
    unread.is_gone = lambda topic, partition, offset: topic == TCU and offset < cuts[partition]
    gone = {(TCU, partition, read[partition], cut - 1) for partition, cut in cuts.items()}
    checks = {"audit before the repair": _expired(site.audit()) == gone}
    site.start_sinks()
    history = site.sinks.of("history")[0]
    eventually(lambda: OPERATOR_NEEDED in history.ends, PATIENCE_SECONDS, "history says that it cannot go on")
    for partition in cuts:
        site.command("checkpoint", "skip", TCU, str(partition))
    began = time.monotonic()
    site.wait()
    recovery = round(time.monotonic() - began, 1)
    verdict = site.verdict()
    after = site.audit()
    verdict.audit_ok = _expired(after) == gone and set(after["problem_counts"]) == {"expired"}
    checks["nothing left to repair"] = "inside the log" in _refused(site)
    facts = {"offsets gone": sum(last - first + 1 for _, _, first, last in gone), "of partitions": len(gone),
             "ends of history with code 3": history.ends.count(OPERATOR_NEEDED)}  # fmt: skip
    broken = tuple(what for what, holds in checks.items() if not holds)
    return Outcome(recovery_s=recovery, facts=facts, broken=broken, verdict=verdict)


def _refused(site: Site) -> str:
    done = site.command("checkpoint", "skip", TCU, "0", check=False)
    return done.stdout + done.stderr


def _expired(audit: Mapping[str, Any]) -> Ranges:
    """What an audit says is gone."""
    return {
        (problem["topic"], problem["partition"], problem["first_offset"], problem["last_offset"])
        for problem in audit["problems"]
        if problem["kind"] == "expired"
    }


@case(
    "Topics",
    "A compacted source topic: what Kafka still has when history comes to it is landed, holes that "
    "compaction left are no gaps, also where it removes messages after they were landed; nothing doubled",
)
def a_compacted_source_topic(site: Site, scale: float) -> Outcome:
    """Compaction is held still while the survivors are noted, so that the truth is known."""
    topics = TopicAdmin(site)
    count = int(MESSAGES * scale)
    site.load(count, RATE).finish()
    unread = _compact(site, topics)
    stays = {(record.partition, record.offset) for record in topics.read(TCU)}
    for load in site.loads:
        load.is_gone = lambda topic, partition, offset: topic == TCU and (partition, offset) not in stays
    site.start_sinks()
    site.wait()
    site.load(count, RATE).finish()
    site.wait()
    landed = _compact(site, topics)
    return Outcome(facts={"messages removed unread": unread, "removed when landed": landed})


def _compact(site: Site, topics: TopicAdmin) -> int:
    """Lets Kafka compact once, and no more; how many messages that removed. A segment is compacted once
    another has begun: the few messages begin one, and stay, because they are in the last."""
    topics.configure(TCU, COMPACTED)
    time.sleep(float(COMPACTED["segment.ms"]) / 1000)
    site.load(FEW, AT_ONCE).finish()
    before = _size(topics)
    eventually(lambda: _size(topics) < before, PATIENCE_SECONDS, f"{TCU} is compacted")
    topics.configure(TCU, KEPT)
    time.sleep(SETTLED_SECONDS)
    return before - _size(topics)


def _size(topics: TopicAdmin) -> int:
    return sum(1 for _ in topics.read(TCU))
