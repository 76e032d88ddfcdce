"""Sources that are written in transactions: what was aborted was never sent, what is open is waited for."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Producer

from tests.faults.case import Outcome, case
from tests.faults.rig.site import Site, eventually
from tests.faults.rig.topics import TopicAdmin
from tests.faults.rig.traffic import CAR, TCU

MESSAGES = 100_000
RATE = 3_000.0
IN_TRANSACTION = 500
ABORTS_EVERY = 3
PATIENCE_SECONDS = 120.0
NEVER_SENT = b'{"this":"was aborted"}'


@case(
    "Topics",
    "A source that is written in transactions of which every third is aborted: what was aborted is not "
    "landed and reaches no other sink, what was committed is exact, and the audit reports no gap. A "
    "transaction that stays open holds all readers back at its first message; they go on when it ends",
)
def transactions_aborted_and_left_open(site: Site, scale: float) -> Outcome:
    """First a producer that aborts, then one that leaves a transaction open while others send."""
    topics = TopicAdmin(site)
    site.start_sinks()
    count = int(MESSAGES * scale)
    said = site.load(count, RATE, in_transaction=IN_TRANSACTION, aborts_every=ABORTS_EVERY).finish()
    site.wait()
    with _open_transaction(site, topics) as held:
        site.load(count // 2, RATE).finish()
        eventually(lambda: _is_landed(site, CAR, topics), PATIENCE_SECONDS, f"{CAR} is landed")
        beyond = {p: c for p, c in _checkpoints(site, TCU).items() if c > held[p]}
    began = time.monotonic()
    site.wait()
    recovery = round(time.monotonic() - began, 1)
    facts = {"aborted messages": said["aborted"], "held back in partitions": len(held), "audit": "no gap"}
    broken = [] if said["aborted"] else ["nothing was aborted"]
    broken += [f"{TCU}/{p} was read up to {c}, beyond an open transaction" for p, c in beyond.items()]
    return Outcome(recovery_s=recovery, facts=facts, broken=tuple(broken))


@contextmanager
def _open_transaction(site: Site, topics: TopicAdmin) -> Iterator[dict[int, int]]:
    """One message in every partition of TCU, aborted in the end; where each partition is held back."""
    held = {partition: end for partition, (_, end) in topics.spans(TCU).items()}
    producer = Producer({"bootstrap.servers": site.kafka.address, "transactional.id": f"t-{uuid.uuid4().hex}",
                         "transaction.timeout.ms": 600_000})  # fmt: skip
    producer.init_transactions(PATIENCE_SECONDS)
    producer.begin_transaction()
    for partition in held:
        producer.produce(TCU, NEVER_SENT, b"never", partition)
    assert producer.flush(PATIENCE_SECONDS) == 0
    yield held
    producer.abort_transaction(PATIENCE_SECONDS)


def _is_landed(site: Site, topic: str, topics: TopicAdmin) -> bool:
    found = _checkpoints(site, topic)
    return all(found[partition] >= end for partition, (_, end) in topics.spans(topic).items())


def _checkpoints(site: Site, topic: str) -> dict[int, int]:
    """The next offset of each partition, as the history says."""
    rows = json.loads(site.command("checkpoint", "list", "--json").stdout)
    return {row["partition"]: row["checkpoint"] or 0 for row in rows if row["topic"] == topic}
