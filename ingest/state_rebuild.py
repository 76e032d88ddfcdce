"""Computes the state anew from the history: the only way to lower a wrong value, and to bring back what Kafka
no longer has. Live sinks go on meanwhile and lose nothing.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple

from broker.identity import TopicIdentities
from broker.offsets import Offsets, group_offsets
from broker.reader import PartitionReader
from broker.ready import wait_topics
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from contracts.load import Registry
from ingest.decoding import RunDecoder
from ingest.metrics import SinkMetrics
from ingest.process import Ticker
from ingest.state import MOST_CANDIDATES
from ingest.state_rebuild_errors import HistoryIncomplete, RebuildTooSlow
from ingest.state_reduce import StateWindow
from ingest.state_writer import WRITE_VEHICLES
from ingest.steps import RebuildStep, Steps
from lake.bronze import Bronze, BronzePartition
from lake.history_state import history_states
from lake.mongo import wait_ready as wait_mongo
from lake.schemas import BRONZE_EVENTS
from lake.settings import LakeSettings, MongoSettings
from lake.state import StateStore
from lake.state_claim import RebuildClaim, RebuildTakenOver
from lake.state_marks import StateMarks
from lake.state_model import VehicleState
from lake.storage import Storage
from lake.storage import wait_ready as wait_lake
from lake.tables import exists

WINDOW_BYTES = 32 * 1024 * 1024
"""Memory that candidates from Kafka may take before they are written."""

PROGRESS_SECONDS = 2.0
"""How often a long step says how far it is."""

MOST_BEGINNINGS = 3
"""How often a rebuild reads the history before it is plain that retention is faster."""

Stretches = dict[TopicPartition, list[tuple[int, int]]]
"""Offsets [begin, end) of partitions."""


class _Beside(NamedTuple):
    """What Kafka has beside one version of bronze, and what neither has: `removed` are the first offset that
    bronze does not have and the log's start, where that lies behind it."""

    stretches: Stretches
    ends: dict[TopicPartition, int]
    removed: dict[TopicPartition, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did."""

    bronze_version: int
    vehicles: int
    messages_from_kafka: int
    leftovers_removed: int


def rebuild(
    kafka: KafkaSettings,
    mongo: MongoSettings,
    lake: LakeSettings,
    registry: Registry,
    *,
    report: Callable[[str], object] = lambda step: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    done: Steps = lambda step: None,
) -> Rebuilt:
    """Replaces the state by what the history says; afterwards it equals the one that the sinks would have.

    Until the swap the old state stays as it is, whatever happens; a rebuild that was killed is run again.
    `done` is told each step: tests end the process there.
    """
    wait_topics(kafka, registry.topics())
    wait_mongo(mongo)
    told = group_offsets(kafka, "history")  # before bronze is opened: history commits to bronze first
    storage = wait_lake(lake, writes=False)
    _require_history(told, TopicIdentities(kafka).read(registry.topics()), storage)
    with ExitStack() as opened:
        claim = opened.enter_context(RebuildClaim(mongo))
        live = opened.enter_context(StateStore(mongo))
        return StateRebuild(
            bronze=Bronze(storage),
            lake=lake,
            kafka_offsets=Offsets(kafka),
            identities=TopicIdentities(kafka),
            reader=opened.enter_context(PartitionReader(kafka)),
            registry=registry,
            claim=claim,
            live=live,
            working=live.at(claim.working_collection),
            marks=opened.enter_context(StateMarks(mongo, "rebuild")),
            report=report,
            now=now,
            done=done,
        ).run()


def _require_history(
    told: Mapping[TopicPartition, int], topic_ids: Mapping[str, str], storage: Storage
) -> None:
    """Raises HistoryIncomplete where bronze does not have what history says it has landed."""
    names = {
        place: BronzePartition(topic_ids[place.topic], place.partition)
        for place in told
        if place.topic in topic_ids
    }
    is_there = exists(storage, BRONZE_EVENTS.name)
    found = Bronze(storage).checkpoints(names.values()) if is_there else {}
    for place, name in sorted(names.items()):
        if told[place] > (found.get(name) or 0):
            raise HistoryIncomplete(place, told[place], found.get(name))


@dataclass
class StateRebuild:
    """One rebuild, step by step. Each of its parts can be replaced by a test."""

    bronze: Bronze
    lake: LakeSettings
    kafka_offsets: Offsets
    identities: TopicIdentities
    reader: PartitionReader
    registry: Registry
    claim: RebuildClaim
    live: StateStore
    working: StateStore
    marks: StateMarks
    report: Callable[[str], object]
    now: Callable[[], datetime]
    done: Steps = lambda step: None
    clock: Callable[[], float] = time.monotonic
    _decoder: RunDecoder = field(init=False)
    _progress_due: Ticker = field(init=False)

    def __post_init__(self) -> None:
        self._decoder = RunDecoder(self.registry, SinkMetrics("rebuild"))
        self._progress_due = Ticker(PROGRESS_SECONDS, self.clock)
        self._progress_due.restart()

    def run(self) -> Rebuilt:
        """1. A new collection gets what bronze holds at one version; at the newest once more, where retention
           meanwhile removed from Kafka what only that has,
        2. and from Kafka what bronze does not hold, up to the logs' ends of then.
        3. Both are on disk, and no other rebuild can swap any more,
        4. before the swap, which is one step for readers.
        5. Once that is on disk, where the new collection goes on is recorded: a sink that reaches its next
           checkpoint, or starts, finds another collection and reads the log on from there.
        6. What sinks wrote into the old collection meanwhile, or into the new one while its doubles were
           united, is read from Kafka once more, so that the result is complete at once, sinks or not.
        Killed before 4, the old state stays. Killed after it, sinks complete the new one by 5; without its
        record they read Kafka's whole log, which gives the same.
        """
        version, vehicles, (ranges, ends, _) = self._fill()  # 1
        self.report(f"reading {_total(ranges)} further messages from Kafka")
        messages = self._replay(ranges, self.working)  # 2
        self.done(RebuildStep.CAUGHT_UP)
        self.marks.make_durable()  # 3
        self.claim.check()
        leftovers = self.claim.drop_leftovers()
        self.done(RebuildStep.DURABLE)
        self.report("replacing the state")
        if not self.live.replace_with(self.working):  # 4
            raise RebuildTakenOver(self.live.name)
        self.done(RebuildStep.SWAPPED)
        self.live.unite_doubles()
        self.marks.make_durable()
        self.claim.check()
        self.marks.record_rebuilt(self.marks.collection_id(), self._by_identity(ends))  # 5
        self.done(RebuildStep.RECORDED)
        messages += self._replay(self._since(ends), self.live)  # 6
        self.marks.make_durable()
        self.done(RebuildStep.COMPLETED)
        self.live.ensure_view()
        return Rebuilt(version, vehicles, messages, len(leftovers))

    def _fill(self, tries: int = MOST_BEGINNINGS) -> tuple[int, int, _Beside]:
        """The version that was written, its vehicles, and what Kafka has beside it.

        What is written already stays when the history is read again: a newer version has all of it.
        """
        version = self.bronze.version
        self.report(f"reading the history at version {version}")
        vehicles = self._write_history(version)
        self.done(RebuildStep.FILLED)
        beside = self._not_in_bronze()
        overtaken = self._landed_since(beside.removed)
        if overtaken is None:
            return version, vehicles, beside
        if tries == 1:
            raise RebuildTooSlow(overtaken, *beside.removed[overtaken], MOST_BEGINNINGS)
        self.report(f"Kafka no longer has what was landed of {overtaken} meanwhile")
        return self._fill(tries - 1)

    def _write_history(self, version: int) -> int:
        vehicles = 0
        for batch in _batches(history_states(self.lake, self.registry, version)):
            vehicles += self._write(batch, self.working)
            self._tell(f"{vehicles:,} vehicles written")
        return vehicles

    def _not_in_bronze(self) -> _Beside:
        """What is to be read from Kafka: what lies behind bronze's checkpoint, and before a start that was
        chosen for its first landing. A partition that is added between the questions is left to the sinks."""
        topics = self.registry.topics()
        starts, ends = self.kafka_offsets.starts(topics), self.kafka_offsets.ends(topics)
        both = sorted(starts.keys() & ends.keys())
        names = self._names(both)
        landed = self.bronze.checkpoints(names.values())
        begun = self.bronze.starts(names.values())
        beside = _Beside({}, {}, {})
        for partition in both:
            low, end = starts[partition], ends[partition]
            first, following = begun[names[partition]] or low, landed[names[partition]]
            stretches = [(low, end)] if following is None else [(low, first), (max(low, following), end)]
            beside.stretches[partition] = [(begin, stop) for begin, stop in stretches if begin < stop]
            beside.ends[partition] = end
            if (following or 0) < low:
                beside.removed[partition] = following or 0, low
        return beside

    def _landed_since(self, removed: Mapping[TopicPartition, tuple[int, int]]) -> TopicPartition | None:
        """A partition of which a newer version has some of what was removed; the handle is moved there."""
        if not removed:
            return None
        names = self._names(removed)
        self.bronze.reload()
        newest = self.bronze.checkpoints(names.values())
        return next((key for key in removed if (newest[names[key]] or 0) > removed[key][0]), None)

    def _since(self, before: Mapping[TopicPartition, int]) -> Stretches:
        ends = self.kafka_offsets.ends(self.registry.topics())
        return {key: [(before[key], end)] for key, end in ends.items() if before.get(key, end) < end}

    def _replay(self, ranges: Stretches, into: StateStore) -> int:
        """Reads stretches of the log into a collection; returns how many messages they had."""
        window = StateWindow(self.registry)
        messages = 0
        for partition, stretches in ranges.items():
            for begin, end in stretches:
                for records in self.reader.read(partition, begin, end):
                    window.add(self._decoder.decode(records))
                    messages += len(records)
                    self._tell(f"{messages:,} messages read")
                    if window.is_full(MOST_CANDIDATES, WINDOW_BYTES):
                        self._flush(window, into)
        self._flush(window, into)
        return messages

    def _flush(self, window: StateWindow, into: StateStore) -> None:
        written_us = int(self.now().timestamp() * 1_000_000)
        for batch in _batches(window.take().states(written_us)):
            self._write(batch, into)

    def _write(self, batch: list[VehicleState], into: StateStore) -> int:
        if into is self.working:
            self.claim.check()
        return into.write(batch)

    def _tell(self, progress: str) -> None:
        if self._progress_due.due():
            self.report(progress)

    def _names(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, BronzePartition]:
        topic_ids = self.identities.read(self.registry.topics())
        return {key: BronzePartition(topic_ids[key.topic], key.partition) for key in partitions}

    def _by_identity(self, offsets: Mapping[TopicPartition, int]) -> dict[tuple[str, int], int]:
        names = self._names(offsets).items()
        return {(name.topic_id, name.partition): offsets[key] for key, name in names}


def _batches(states: Iterable[VehicleState]) -> Iterator[list[VehicleState]]:
    pending = iter(states)
    while batch := list(islice(pending, WRITE_VEHICLES)):
        yield batch


def _total(ranges: Stretches) -> int:
    return sum(end - begin for stretches in ranges.values() for begin, end in stretches)
