"""A group without a coordinator: members on one machine share partitions by file locks."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from broker.errors import Fenced
from broker.leases import Leases
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from tests.broker.members import Join, MakeTopic, Send, owned, poll_all_until

PARTITIONS = [TopicPartition("a", number) for number in range(6)] + [
    TopicPartition("b", number) for number in range(4)
]
HOLDER = """
import sys, time
from pathlib import Path
from broker.leases import Leases
from broker.record import TopicPartition
leases = Leases(Path(sys.argv[1]), "g", sys.argv[2])
print(len(leases.take([TopicPartition("a", number) for number in range(6)])), flush=True)
time.sleep(60)
"""


@contextmanager
def holder(folder: Path, name: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Another process that takes its share of topic `a`."""
    command = [sys.executable, "-c", HOLDER, str(folder), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), process
        finally:
            process.kill()


def settle(members: Sequence[Leases]) -> None:
    """Every member looks a few times."""
    for _ in range(3):
        for member in members:
            member.release(member.surplus(PARTITIONS))
            member.take(PARTITIONS)


def shares(members: Sequence[Leases], topic: str) -> list[int]:
    return [sum(partition.topic == topic for partition in member.held) for member in members]


@pytest.mark.parametrize("count", [1, 2, 3, 6, 7])
def test_everything_has_one_owner_and_shares_are_even(tmp_path: Path, count: int) -> None:
    """Per topic, whoever came first; members without a partition are possible."""
    members = []
    for number in range(count):
        members.append(Leases(tmp_path, "g", f"m{number}"))
        settle(members)

    held = [partition for member in members for partition in member.held]
    assert sorted(held) == sorted(PARTITIONS)
    assert max(shares(members, "a")) == -(-6 // count)
    assert max(shares(members, "b")) == -(-4 // count)
    for member in members[1:]:
        member.close()
    settle(members[:1])
    assert sorted(members[0].held) == sorted(PARTITIONS)
    members[0].close()


def test_only_what_is_too_much_is_given_up(tmp_path: Path) -> None:
    """The others stay where they are."""
    with closing(Leases(tmp_path, "g", "first")) as first:
        first.take(PARTITIONS)
        with closing(Leases(tmp_path, "g", "second")) as second:
            assert len(first.surplus(PARTITIONS)) == 5
            assert second.take(PARTITIONS) == []
            assert first.surplus(PARTITIONS[:3]) == sorted(set(first.held) - set(PARTITIONS[:2]))


def test_groups_do_not_see_each_other(tmp_path: Path) -> None:
    """Each shares everything among its own members."""
    with closing(Leases(tmp_path, "g", "m")) as one, closing(Leases(tmp_path, "h", "m")) as other:
        assert len(one.take(PARTITIONS)) == len(other.take(PARTITIONS)) == len(PARTITIONS)


def test_a_name_belongs_to_one_live_member(tmp_path: Path) -> None:
    """A second one is told so; after the first left, it is free."""
    first = Leases(tmp_path, "g", "m")
    with pytest.raises(Fenced, match="member m of g"):
        Leases(tmp_path, "g", "m")
    first.close()
    Leases(tmp_path, "g", "m").close()


def test_what_a_killed_process_owned_is_free(tmp_path: Path) -> None:
    """At once, and the dead are not counted."""
    with holder(tmp_path, "victim") as (taken, victim), closing(Leases(tmp_path, "g", "own")) as own:
        assert taken == 6
        assert own.take(PARTITIONS[:6]) == []
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        assert len(own.take(PARTITIONS[:6])) == 6
        with holder(tmp_path, "victim") as (taken, _):
            assert taken == 0
            assert len(own.surplus(PARTITIONS[:6])) == 3


def test_locks_need_a_place() -> None:
    """They are kept beside the incarnation file."""
    with pytest.raises(ValidationError, match="incarnation_file"):
        KafkaSettings(membership="leases")


# -- as a consumer sees it -----------------------------------------------------------------------------------


@pytest.fixture
def settings(settings: KafkaSettings, tmp_path: Path) -> KafkaSettings:
    """Locks beside an incarnation file, whatever the broker is."""
    file = tmp_path / "incarnation"
    file.write_text("one")
    return settings.model_copy(update={"incarnation_file": file})


def test_members_of_a_consumer_group_come_and_go(make_topic: MakeTopic, join: Join) -> None:
    """The listener hears of it as from Kafka's own protocol, and nothing is ever lost."""
    topic = make_topic(6)
    first = join([topic], instance_id="a")
    poll_all_until([first], lambda: len(owned(first)) == 6)
    second, third = join([topic], instance_id="b"), join([topic], instance_id="c")
    everyone = [first, second, third]

    poll_all_until(everyone, lambda: [len(owned(member)) for member in everyone] == [2, 2, 2])

    assert len(set().union(*map(owned, everyone))) == 6
    assert len(first.listener.revoked) == 4
    second.consumer.close()
    third.consumer.close()
    poll_all_until([first], lambda: len(owned(first)) == 6)
    assert [len(member.listener.revoked) for member in everyone] == [4, 2, 2]
    assert [member.listener.lost for member in everyone] == [[], [], []]


def test_a_partition_goes_on_where_the_last_owner_committed(
    make_topic: MakeTopic, send: Send, join: Join
) -> None:
    """Offsets are the group's, also without a group."""
    topic = make_topic()
    send(topic, b"1", b"2", b"3")
    first = join([topic])
    assert first.take(2) == [b"1", b"2"]
    first.consumer.commit({TopicPartition(topic, 0): 2})
    first.consumer.close()

    second = join([topic])
    assert second.take(1) == [b"3"]
    assert second.consumer.lag() == {TopicPartition(topic, 0): 0}


def test_nobody_takes_what_could_not_be_given_up(make_topic: MakeTopic, join: Join) -> None:
    """Whoever fails to commit at a revoke must end first: its locks end with it."""
    topic = make_topic(2)
    first = join([topic])
    poll_all_until([first], lambda: len(owned(first)) == 2)
    first.listener.before_revoke = fail
    second = join([topic])
    with pytest.raises(ConnectionError):
        poll_all_until([first], lambda: False)
    second.poll(timeout_s=0.5)
    assert owned(second) == set()
    first.listener.before_revoke = lambda _: None
    first.consumer.close()
    poll_all_until([second], lambda: len(owned(second)) == 2)


def fail(partitions: Sequence[TopicPartition]) -> None:
    raise ConnectionError(str(partitions))
