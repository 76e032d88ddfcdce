"""Offsets that bronze does not have: lost, expired, or never a message at all.

Kafka's own markers (control records) and aborted messages take offsets, too. As long as the log has the
offset, it is read and there is no doubt. Below the log's start nobody can tell; there, an offset counts as
expired if an operator gave it up, and else unless the topic is known to be written in transactions.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from broker.record import TopicPartition
from fleetlake.audit.findings import LISTED, ranges
from fleetlake.audit.log import Log

NEAR = 10_000
"""Gaps closer than this are read in one go: starting a read costs more than reading so many records."""

MOST_IN_ONE_READ = 100_000

Stretch = tuple[int, int]
"""First and last offset, both included."""

GivenUp = Callable[[], Sequence[Stretch]]
"""What `fleetlake checkpoint skip` went over, in rising order; asked only where something is missing."""


@dataclass
class Offsets:
    """A number of offsets, and the first stretches of them."""

    count: int = 0
    stretches: list[Stretch] = field(default_factory=list)

    def add(self, stretch: Stretch) -> None:
        self.count += size(stretch)
        if len(self.stretches) < LISTED:
            self.stretches.append(stretch)


@dataclass
class Missing:
    """What became of the offsets of one partition that have no row."""

    lost: Offsets = field(default_factory=Offsets)
    unread: Offsets = field(default_factory=Offsets)
    """Removed from the log before history came to them."""
    below_start: Offsets = field(default_factory=Offsets)
    """Removed from the log after history had passed them."""
    given_up: Offsets = field(default_factory=Offsets)
    """Removed from the log before history came to them, and passed by an operator's decision."""
    explained: int = 0
    """Offsets at which Kafka has no message: markers and aborted messages."""

    def add_below_start(self, stretch: Stretch, given_up: GivenUp) -> None:
        """A stretch that the log no longer has and that history has passed."""
        first, last = stretch
        for begin, end in given_up():
            if end < first or last < begin:
                continue
            if first < begin:
                self.below_start.add((first, begin - 1))
            self.given_up.add((max(first, begin), min(last, end)))
            first = end + 1
        if first <= last:
            self.below_start.add((first, last))


def size(stretch: Stretch) -> int:
    """How many offsets it holds."""
    return stretch[1] - stretch[0] + 1


def judge(
    log: Log, partition: TopicPartition, gaps: Iterable[Stretch], checkpoint: int, given_up: GivenUp
) -> Missing:
    """Reads Kafka where there is no row. Gaps come in rising order; history has passed `checkpoint`."""
    span, missing = log.spans[partition], Missing()
    readable: list[Stretch] = []
    for first, last in gaps:
        if first < min(checkpoint, span.low):
            missing.add_below_start((first, min(last, checkpoint - 1, span.low - 1)), given_up)
        if max(first, checkpoint) < span.low and last >= checkpoint:
            missing.unread.add((max(first, checkpoint), min(last, span.low - 1)))
        if last >= span.low and first < span.high:
            readable.append((max(first, span.low), min(last, span.high - 1)))
            if len(readable) >= MOST_IN_ONE_READ:
                _read(log, partition, readable, missing)
                readable = []
    _read(log, partition, readable, missing)
    return missing


def _read(log: Log, partition: TopicPartition, gaps: list[Stretch], missing: Missing) -> None:
    for cluster in _clusters(gaps):
        missing.explained += sum(map(size, cluster))
        for found in ranges(_records_in(log, partition, cluster)):
            missing.lost.add(found)
            missing.explained -= size(found)


def _records_in(log: Log, partition: TopicPartition, gaps: list[Stretch]) -> Iterator[int]:
    """Offsets inside the gaps at which Kafka has a committed message."""
    pending = iter(gaps)
    first, last = next(pending)
    for records in log.read(partition, gaps[0][0], gaps[-1][1] + 1):
        for offset in records.offsets:
            while offset > last:
                following = next(pending, None)
                if following is None:
                    return
                first, last = following
            if offset >= first:
                yield offset


def _clusters(gaps: list[Stretch]) -> Iterator[list[Stretch]]:
    cluster: list[Stretch] = []
    for gap in gaps:
        if cluster and gap[0] - cluster[-1][1] > NEAR:
            yield cluster
            cluster = []
        cluster.append(gap)
    if cluster:
        yield cluster
