"""Where the state sink stands in each partition it owns, and why it may rely on the group's offsets.

A group's offset is worth something only if the MongoDB collection of today holds what lies before it. That is
what a mark says. Without one (a new or wiped MongoDB, a rebuilt collection, a recreated topic) a partition is
read again from its log's start; where the mark is behind the group's offset (MongoDB is back with a copy of
before), from the mark: writing twice changes nothing, not writing would never be noticed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from broker.record import TopicPartition
from ingest.errors import TopicRecreated
from ingest.process import Log
from lake.state_marks import Held, Mark, Reach

Offsets = dict[TopicPartition, int]


class Group(Protocol):
    """What the places need of the consumer."""

    def committed(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int | None]: ...
    def watermarks(self, partition: TopicPartition) -> tuple[int, int]: ...


class Identities(Protocol):
    """Asks the broker who its topics are."""

    def read(self, topics: Sequence[str]) -> Mapping[str, str]: ...


class Marks(Protocol):
    """What the collection is known to hold."""

    def collection_id(self) -> str: ...
    def server_life(self) -> str: ...
    def read(self, collection_id: str) -> Mapping[Mark, int]: ...
    def add(self, collection_id: str, marks: Mapping[Mark, int]) -> None: ...
    def goes_on_at(self, collection_id: str) -> Mapping[tuple[str, int], int]: ...


@dataclass
class StatePlaces:
    """Next offsets of owned partitions: as read from Kafka, and as the group has them.

    1. A partition without a mark is read from where the collection needs it, whatever the group's offset.
    2. Its mark is added only after the group's offset was set to what the collection holds by then.
    3. A marked partition goes on at the group's offset or its mark, whichever is less; its mark rises before
       the group's offset does.
    So a crash between any two steps ends in reading again, never in skipping.
    """

    group: Group
    identities: Identities
    marks: Marks
    log: Log
    unite_doubles: Callable[[], object] = lambda: None
    """Puts right what a rebuild left that was killed at its swap."""
    collection_id: str = ""
    server: str = ""
    topic_ids: dict[str, str] = field(default_factory=dict)
    next_offsets: Offsets = field(default_factory=dict)
    _first_ids: dict[str, str] = field(default_factory=dict)
    """Of the topics that the client has met first."""
    _committed: Offsets = field(default_factory=dict)
    _marked: Offsets = field(default_factory=dict)
    _unmarked: set[TopicPartition] = field(default_factory=set)
    _in_checkpoint: Offsets = field(default_factory=dict)

    def adopt(self, partitions: Iterable[TopicPartition]) -> Offsets:
        """Takes partitions over, or looks again where those owned already must go on; returns where."""
        wanted = list(partitions)
        self.topic_ids |= self.identities.read(sorted({key.topic for key in wanted}))
        self._first_ids = self.topic_ids | self._first_ids
        collection_id, server = self.marks.collection_id(), self.marks.server_life()
        held = self.marks.read(collection_id)
        begins = self.marks.goes_on_at(collection_id)
        committed = self.group.committed(wanted)
        ends = {key: self.group.watermarks(key) for key in wanted}
        if any(self.mark(key) not in held for key in wanted):
            self.unite_doubles()
        self.release(wanted)
        self._stand_on(collection_id, server)
        for key in wanted:
            offset, (low, high) = committed[key], ends[key]
            mark = held.get(self.mark(key))
            if mark is None:
                self._unmarked.add(key)
                begin = begins.get((self.topic_ids[key.topic], key.partition), low)
                self.next_offsets[key] = self._anew(key, offset, begin if low <= begin <= high else low)
            else:
                self._marked[key] = mark
                self.next_offsets[key] = self._onwards(key, offset, mark, low, high)
                if self.next_offsets[key] == offset:
                    self._committed[key] = offset
        return {key: self.next_offsets[key] for key in wanted}

    def release(self, partitions: Iterable[TopicPartition]) -> None:
        """Forgets partitions: nothing of them is committed any more."""
        for key in partitions:
            self.next_offsets.pop(key, None)
            self._committed.pop(key, None)
            self._in_checkpoint.pop(key, None)
            self._marked.pop(key, None)
            self._unmarked.discard(key)

    def advance_to(self, positions: Mapping[TopicPartition, int]) -> None:
        """Moves on behind what was read; aborted and control records count."""
        self.next_offsets |= {key: offset for key, offset in positions.items() if key in self.next_offsets}

    def move_to(self, key: TopicPartition, offset: int) -> None:
        """The log does not have what was wanted: goes on elsewhere."""
        if key in self.next_offsets:
            self.next_offsets[key] = offset

    def recreated(self) -> list[TopicPartition]:
        """Owned partitions whose topic is another one now."""
        found = self.identities.read(sorted({key.topic for key in self.next_offsets}))
        return [key for key in self.next_offsets if found[key.topic] != self.topic_ids[key.topic]]

    @property
    def made_again(self) -> TopicRecreated | None:
        """Why the client must not be relied on any more: a topic is not the one that it has met first."""
        for topic, first in self._first_ids.items():
            if self.topic_ids[topic] != first:
                return TopicRecreated(topic, first, self.topic_ids[topic])
        return None

    @property
    def is_uncommitted(self) -> bool:
        """Whether the group's offsets or the marks are behind what was read."""
        return bool(self._unmarked) or self.next_offsets != self._committed

    def held(self) -> Held:
        """What the collection must still hold, and by whose hand; `begin_checkpoint` comes next."""
        return Held(
            self.server,
            {
                self.mark(key): Reach(self._in_checkpoint.get(key, self._marked[key]), offset)
                for key, offset in self.next_offsets.items()
                if key not in self._unmarked
            },
        )

    def group_committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int | None]:
        """The group's offsets, whoever owns the partitions; None where they say nothing of the collection."""
        wanted = list(partitions)
        topic_ids = self.identities.read(sorted({key.topic for key in wanted}))
        held = self.marks.read(self.marks.collection_id())
        committed = self.group.committed(wanted)
        return {
            key: _less(committed[key], held.get(Mark(key.topic, topic_ids[key.topic], key.partition)))
            for key in wanted
        }

    def begin_checkpoint(self) -> None:
        """What was read so far is about to be made durable."""
        self._in_checkpoint = dict(self.next_offsets)

    def in_checkpoint(self) -> Offsets:
        """What the group does not have yet of the last checkpoint; partitions given up since are left out."""
        return {
            key: offset
            for key, offset in self._in_checkpoint.items()
            if self._committed.get(key) != offset or key in self._unmarked
        }

    def set_committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """The group has these offsets now; marks of partitions that had none are added."""
        self._committed |= offsets
        fresh = {key: offset for key, offset in offsets.items() if key in self._unmarked}
        if fresh:
            self.marks.add(self.collection_id, {self.mark(key): offset for key, offset in fresh.items()})
            self._marked |= fresh
            self._unmarked -= set(fresh)

    def mark(self, key: TopicPartition) -> Mark:
        """The partition as marks name it."""
        return Mark(key.topic, self.topic_ids[key.topic], key.partition)

    def _stand_on(self, collection_id: str, server: str) -> None:
        """What was written of other partitions stands where it stood: they are adopted anew once a checkpoint
        finds that this is elsewhere now."""
        if not self.next_offsets:
            self.collection_id, self.server = collection_id, server

    def _onwards(self, key: TopicPartition, offset: int | None, mark: int, low: int, high: int) -> int:
        if offset is not None and mark < offset:
            self.log.warning(
                "state_went_back",
                partition=str(key),
                group_offset=offset,
                begins_at=max(mark, low),
                reason="MongoDB holds less than the group has committed: a copy of before was restored",
                hint="`fleetlake state rebuild` brings back what Kafka no longer has" if mark < low else None,
            )
        if offset is not None and low <= offset <= high:
            return max(low, min(mark, offset))
        self.log.warning("checkpoint_out_of_range", partition=str(key), wanted=offset, low=low, high=high)
        return low

    def _anew(self, key: TopicPartition, offset: int | None, begin: int) -> int:
        if offset is not None and offset > begin:
            self.log.warning(
                "state_starts_over",
                partition=str(key),
                group_offset=offset,
                begins_at=begin,
                reason="this collection is not known to hold what lies before the group's offset",
                hint="`fleetlake state rebuild` brings back what Kafka no longer has" if begin else None,
            )
        return begin


def _less(offset: int | None, mark: int | None) -> int | None:
    """Where both the group and the collection are; None if one of them is nowhere."""
    return None if offset is None or mark is None else min(offset, mark)
