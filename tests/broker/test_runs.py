"""Laws of splitting a batch into runs."""

from collections.abc import Sequence
from itertools import pairwise

from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from broker.record import TopicPartition
from broker.runs import split_runs

PLACES = [TopicPartition(topic, partition) for topic in ("a", "b") for partition in (0, 1)]


def batch(places: Sequence[TopicPartition]) -> list[Message]:
    """One message per place, offsets counting up within each partition."""
    counts = dict.fromkeys(PLACES, 0)
    messages = []
    for place in places:
        offset = counts[place]
        counts[place] += 1
        messages.append(
            Message(
                topic="".join(place.topic),
                partition=place.partition,
                offset=offset,
                key=b"k%d" % offset,
                value=f"{place}/{offset}".encode(),
                timestamp=(1, 1000 + offset),
            )
        )
    return messages


@given(st.lists(st.sampled_from(PLACES), min_size=1, max_size=60))
def test_runs_are_the_batch_cut_where_the_partition_changes(places: list[TopicPartition]) -> None:
    """In order, nothing lost, no two neighbours of one partition, the last of each ends at the position."""
    runs = split_runs(batch(places), lambda name: 1000 + PLACES.index(name))

    flat = [(run.topic_partition, offset) for run in runs for offset in run.offsets]
    assert [place for place, _ in flat] == places
    assert all(
        value == f"{run.topic_partition}/{offset}".encode()
        for run in runs
        for offset, value in zip(run.offsets, run.values, strict=True)
    )
    assert all(one.topic_partition != two.topic_partition for one, two in pairwise(runs))
    for place in set(places):
        own = [run for run in runs if run.topic_partition == place]
        assert own[-1].next_offset == 1000 + PLACES.index(place)
        assert all(one.next_offset == two.offsets[0] for one, two in pairwise(own))


def test_times_and_keys_are_the_messages_own() -> None:
    """Columns have equal length, in the order of the messages."""
    [run] = split_runs(batch([PLACES[0]] * 3), lambda _: 3)

    assert run.times_ms == [1000, 1001, 1002]
    assert run.keys == [b"k0", b"k1", b"k2"]
    assert run.headers == [None, None, None]
    assert len(run) == 3
