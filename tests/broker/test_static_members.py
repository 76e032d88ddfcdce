"""Static members of a group on the embedded broker, which never ends a session by itself."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import pytest

from broker.consumer import GroupConsumer
from broker.leave import leave_group
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from broker.topics import Topics, TopicSpec

PARTITIONS = 6
MEMBER = """
import sys
from broker.consumer import GroupConsumer
from broker.settings import KafkaSettings

class Listener:
    def on_assigned(self, partitions):
        print("assigned", *(name.partition for name in partitions), flush=True)
        return {}
    def on_revoked(self, partitions): pass
    on_lost = on_revoked

consumer = GroupConsumer(KafkaSettings.model_validate_json(sys.argv[1]), "sink", instance_id=sys.argv[2])
consumer.subscribe([sys.argv[3]], Listener())
while True:
    consumer.poll(100, 0.1)
"""


class Member:
    """A consumer in a thread, and what it owns."""

    def __init__(self, settings: KafkaSettings, name: str, topic: str) -> None:
        self.owned: set[TopicPartition] = set()
        self._consumer = GroupConsumer(settings, "sink", instance_id=name)
        self._consumer.subscribe([topic], self)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def on_assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        self.owned |= set(partitions)
        return {}

    def on_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self.owned -= set(partitions)

    def on_lost(self, partitions: Sequence[TopicPartition]) -> None:
        self.owned -= set(partitions)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._consumer.poll(100, 0.1)
        self._consumer.close()


@contextmanager
def member_process(settings: KafkaSettings, name: str, topic: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", MEMBER, settings.model_dump_json(), name, topic]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def kafka_settings(kafka_settings: KafkaSettings) -> KafkaSettings:
    """With members that notice a rebalance quickly."""
    return kafka_settings.model_copy(update={"client": {"heartbeat.interval.ms": "300"}})


@pytest.fixture
def topic(kafka_settings: KafkaSettings, topic_name: str) -> str:
    Topics(kafka_settings).create([TopicSpec(topic_name, PARTITIONS, 1)])
    return topic_name


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_members_come_and_go_and_every_partition_has_an_owner(
    kafka_settings: KafkaSettings, topic: str
) -> None:
    """1, 2, 3 and again 1 member: nobody waits for a member that left."""
    with ExitStack() as stack:
        members = []
        for count in (1, 2, 3):
            members.append(Member(kafka_settings, f"m{count}", topic))
            stack.callback(members[-1].close)
            share = PARTITIONS // count
            assert within(15, lambda share=share: [len(m.owned) for m in members] == [share] * len(members))  # type: ignore[misc]
        members[1].close()
        members[2].close()
        assert within(15, lambda: len(members[0].owned) == PARTITIONS)


def test_a_killed_member_can_be_taken_out_of_the_group(kafka_settings: KafkaSettings, topic: str) -> None:
    """Its partitions go to the others at once; taking it out twice is harmless."""
    with member_process(kafka_settings, "victim", topic) as victim:
        assert victim.stdout is not None
        assert any(line.startswith("assigned") for line in victim.stdout)
        other = Member(kafka_settings, "other", topic)
        try:
            assert within(15, lambda: len(other.owned) == PARTITIONS // 2)
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            for _ in range(2):
                leave_group(kafka_settings, f"{kafka_settings.group_prefix}.sink", "victim")
            assert within(15, lambda: len(other.owned) == PARTITIONS)
        finally:
            other.close()


def test_a_killed_member_that_comes_back_gets_its_partitions(
    kafka_settings: KafkaSettings, topic: str
) -> None:
    """Under its old name; nobody else's partitions move."""
    other = Member(kafka_settings, "other", topic)
    try:
        assert within(15, lambda: len(other.owned) == PARTITIONS)
        with member_process(kafka_settings, "victim", topic) as victim:
            assert within(15, lambda: len(other.owned) == PARTITIONS // 2)
            before = owned_by(victim)
            victim.kill()
        held = set(other.owned)
        with member_process(kafka_settings, "victim", topic) as successor:
            assert owned_by(successor) == before
            assert {partition.partition for partition in held} == set(range(PARTITIONS)) - before
            assert other.owned == held
    finally:
        other.close()


def owned_by(process: subprocess.Popen[str]) -> set[int]:
    """What a member process says that it was assigned, all of its share."""
    assert process.stdout is not None
    owned: set[int] = set()
    while len(owned) < PARTITIONS // 2:
        word, *numbers = process.stdout.readline().split()
        owned |= set(map(int, numbers)) if word == "assigned" else set()
    return owned
