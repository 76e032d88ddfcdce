"""How many seconds each sink is behind the log, while something is broken: sampled from Kafka by a plain
client. A sink has done what its group's offsets say, which every sink sets only after its store has it."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.faults.rig.sinks import SINKS
from tests.faults.rig.traffic import TOPICS

EVERY_SECONDS = 0.5
ASK_SECONDS = 5.0
ANSWER_SECONDS = 30.0
GROUP_PREFIX = "fleetlake"


@dataclass(frozen=True, slots=True)
class Sample:
    """At one moment: the messages in the log, those each sink has done, and the seconds it is behind."""

    at: float
    written: int
    done: dict[str, int]
    behind: dict[str, float]


class Progress:
    """Samples until the block ends."""

    def __init__(self, brokers: str, topics: Iterable[str] = TOPICS.values()) -> None:
        self._readers = {
            sink: Consumer({"bootstrap.servers": brokers, "group.id": f"{GROUP_PREFIX}.{sink}"})
            for sink in SINKS
        }
        self._topics = frozenset(topics)
        self._partitions = self._find_partitions()
        self.samples: list[Sample] = []
        self._over = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def worst(self, sink: str, begin: float, end: float) -> float:
        """The most seconds that the sink was behind between two moments of time.monotonic()."""
        return round(max(sample.behind[sink] for sample in self._between(begin, end)), 1)

    def gained(self, sink: str, begin: float, end: float) -> int:
        """How many messages the sink did between two moments."""
        samples = self._between(begin, end)
        return samples[-1].done[sink] - samples[0].done[sink]

    @property
    def latest(self) -> Sample:
        """The newest sample; all zeros before the first."""
        nothing = Sample(time.monotonic(), 0, dict.fromkeys(SINKS, 0), dict.fromkeys(SINKS, 0.0))
        if self._failure is not None:
            raise RuntimeError("sampling the progress failed") from self._failure  # noqa: EM101
        return self.samples[-1] if self.samples else nothing

    def done(self, sink: str) -> int:
        """How many messages the sink's group has committed."""
        places = self._readers[sink].committed(self._partitions, timeout=ASK_SECONDS)
        return sum(max(place.offset, 0) for place in places)

    def ends(self) -> list[TopicPartition]:
        """Each partition with the end of its log."""
        reader = self._readers[SINKS[0]]
        return [
            TopicPartition(
                key.topic, key.partition, reader.get_watermark_offsets(key, timeout=ASK_SECONDS)[1]
            )
            for key in self._partitions
        ]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        for reader in self._readers.values():
            reader.close()

    def _find_partitions(self) -> list[TopicPartition]:
        topics = self._readers[SINKS[0]].list_topics(timeout=ANSWER_SECONDS).topics
        return [TopicPartition(name, number) for name in self._topics for number in topics[name].partitions]

    def _between(self, begin: float, end: float) -> list[Sample]:
        return [sample for sample in self.samples if begin <= sample.at <= end] or [self.latest]

    def _watch(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            try:
                self._sample()
            except KafkaException:
                continue  # the group's coordinator is moving, or not there yet
            except BaseException as failure:  # noqa: BLE001 - raised by who asks
                self._failure = failure
                return

    def _sample(self) -> None:
        done = {sink: self.done(sink) for sink in SINKS}
        at, written = time.monotonic(), sum(place.offset for place in self.ends())
        behind = {sink: at - self._moment_of(count, at, written) for sink, count in done.items()}
        self.samples.append(Sample(at, written, done, behind))

    def _moment_of(self, count: int, now: float, written: int) -> float:
        """The last moment at which nothing but the first `count` messages was in the log."""
        if count >= written:
            return now
        earlier = (sample.at for sample in reversed(self.samples) if sample.written <= count)
        return next(earlier, self.samples[0].at if self.samples else now)
