"""The producer of a fault run, a process of its own: sends the traffic at a steady rate and writes down
what the broker acknowledged, where. `python -m tests.faults.rig.sender SPEC` with a JSON spec; SIGTERM ends
it early, with everything handed over acknowledged."""

import gc
import json
import signal
import sys
import time
from array import array
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import KafkaError, Message, Producer

from tests.faults.rig.traffic import TOPICS, Traffic

BURST_SECONDS = 0.02
FLUSH_SECONDS = 300.0


@dataclass(frozen=True)
class Spec:
    """What to send: messages `first` to `first + count`, at `rate` a second, and where to note receipts."""

    brokers: str
    record: str
    traffic: dict[str, Any]
    count: int
    rate: float
    first: int = 0
    producer: dict[str, Any] = field(default_factory=dict)
    keep_receipts: bool = True
    """Whether to note every place; without, only how many were acknowledged."""
    timestamp_shift_ms: int | None = None
    """Sets the records' own timestamps, shifted by so much, for topics that keep the producer's."""
    in_transaction: int = 0
    """Messages of a transaction, about; 0: none are used."""
    aborts_every: int = 0
    """Every so-manieth transaction is aborted: its messages lie in the log and count as never sent."""


class Receipts:
    """What the broker acknowledged: the number of each message, its topic, partition and offset."""

    def __init__(self, *, keep: bool) -> None:
        self.count, self._keep = 0, keep
        self.numbers, self.topics = array("q"), array("b")
        self.partitions, self.offsets = array("i"), array("q")
        self.failed: list[str] = []
        self.aborted = 0
        self._ids = {topic: index for index, topic in enumerate(TOPICS.values())}

    def of(self, number: int) -> Any:
        """The callback for one message."""

        if not self._keep:
            return self._counted

        def told(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self.failed.append(f"{number}: {error}")
                return
            self.count += 1
            self.numbers.append(number)
            self.topics.append(self._ids[str(message.topic())])
            self.partitions.append(message.partition() or 0)
            self.offsets.append(_written_at(message))

        return told

    def _counted(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failed.append(str(error))
        else:
            self.count += 1

    def forget(self, since: int) -> None:
        """What was acknowledged after the first `since` messages was aborted."""
        self.aborted += self.count - since
        self.count = since
        for column in (self.numbers, self.topics, self.partitions, self.offsets):
            del column[since:]

    def save(self, path: Path) -> None:
        """Writes what is known so far, all at once."""
        draft = path.with_suffix(".draft.npz")
        np.savez(
            draft,
            number=np.array(self.numbers, np.int64),
            topic=np.array(self.topics, np.int8),
            partition=np.array(self.partitions, np.int32),
            offset=np.array(self.offsets, np.int64),
        )
        draft.replace(path)


def _written_at(message: Message) -> int:
    """A message without a place was called acknowledged because a later one was: it may not be there."""
    offset = message.offset()
    assert offset is not None
    return offset


class Transactions:
    """Begins and ends them, where a spec wants any. Before each end everything is in the log."""

    def __init__(self, producer: Producer, spec: Spec, receipts: Receipts) -> None:
        self._producer, self._spec, self._receipts = producer, spec, receipts
        self._ended, self._since = 0, 0
        if spec.in_transaction:
            producer.init_transactions(FLUSH_SECONDS)
            producer.begin_transaction()

    def go_on(self, sent: int) -> None:
        """Ends the transaction if it is large enough, and begins the next."""
        if self._spec.in_transaction and sent // self._spec.in_transaction > self._ended:
            self._end()
            self._producer.begin_transaction()

    def finish(self) -> int:
        """Ends the last one; messages without an answer."""
        if self._spec.in_transaction:
            self._end()
        return self._producer.flush(FLUSH_SECONDS)

    def _end(self) -> None:
        self._producer.flush(FLUSH_SECONDS)
        self._ended += 1
        if self._spec.aborts_every and self._ended % self._spec.aborts_every == 0:
            self._producer.abort_transaction(FLUSH_SECONDS)
            self._receipts.forget(self._since)
        else:
            self._producer.commit_transaction(FLUSH_SECONDS)
        self._since = self._receipts.count


def send(spec: Spec) -> dict[str, Any]:
    """Sends everything; returns what became of it."""
    traffic = Traffic(**{**spec.traffic, "sources": tuple(spec.traffic["sources"])})
    producer = Producer(
        {
            "bootstrap.servers": spec.brokers,
            "enable.idempotence": True,  # acks=all, in order, no doubles by the client itself
            "max.in.flight": 1,  # with more the client may call a lost message acknowledged
            "message.timeout.ms": 0,  # never given up: what is handed over is acknowledged in the end
            "linger.ms": 10,
            "compression.type": "lz4",
            **(_transactional(spec) if spec.in_transaction else {}),
            **spec.producer,
        }
    )
    receipts, stopped = Receipts(keep=spec.keep_receipts), [False]
    transactions = Transactions(producer, spec, receipts)
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.__setitem__(0, True))
    began, sent = time.monotonic(), 0
    while sent < spec.count and not stopped[0]:
        due = min(spec.count, int((time.monotonic() - began) * spec.rate) + 1)
        for number in range(spec.first + sent, spec.first + due):
            message = traffic.message(number)
            stamp = (
                {}
                if spec.timestamp_shift_ms is None
                else {"timestamp": int(time.time() * 1000) + spec.timestamp_shift_ms}
            )
            while True:
                try:
                    producer.produce(
                        message.topic, message.payload, message.key, on_delivery=receipts.of(number), **stamp
                    )
                    break
                except BufferError:  # the broker is away: wait for room
                    producer.poll(0.1)
        sent = due
        producer.poll(0)
        time.sleep(BURST_SECONDS)  # a poll that waits comes back at every acknowledgement
        transactions.go_on(sent)
    left = transactions.finish()
    receipts.save(Path(spec.record))
    return {
        "handed_over": sent,
        "acknowledged": receipts.count,
        "aborted": receipts.aborted,
        "failed": len(receipts.failed),
        "first_failures": receipts.failed[:3],
        "unanswered": left,
        "seconds": round(time.monotonic() - began, 1),
    }


def _transactional(spec: Spec) -> dict[str, Any]:
    """A transaction, and a message of it, may take as long as a flush."""
    timeout_ms = int(FLUSH_SECONDS * 1000)
    return {
        "transactional.id": f"sender-{spec.first}",
        "transaction.timeout.ms": timeout_ms,
        "message.timeout.ms": timeout_ms,
    }


def as_json(spec: Spec) -> str:
    return json.dumps(asdict(spec))


if __name__ == "__main__":
    gc.disable()  # a message is several objects, none of them in a cycle
    print(json.dumps(send(Spec(**json.loads(sys.argv[1])))), flush=True)
