"""How far the sinks are, as Kafka knows it: the offsets of their consumer groups against the log. History's
follow its Delta commits, so what is counted here is landed, not only read."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from broker.consumer import GroupConsumer
from broker.prefetch import SCAN
from broker.record import TopicPartition
from broker.settings import KafkaSettings

Offsets = Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Route:
    """What one sink reads: its topics, and those of its own that it fills from them."""

    sink: str
    topics: Sequence[str]
    inner_topics: Sequence[str] = ()


class Log(Protocol):
    """The questions to Kafka."""

    def ends(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        """The end of every partition that holds a message now."""

    def committed(self, sink: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The sink's offsets; 0 where it has none."""


class KafkaLog:
    """Asks the real broker, over one client a sink. Joins no group."""

    def __init__(self, settings: KafkaSettings, partitions: Mapping[str, int]) -> None:
        self._settings, self._partitions = settings, partitions
        self._opened = ExitStack()
        self._clients: dict[str, GroupConsumer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def ends(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        client = self._client("history")
        found = {}
        for topic in topics:
            for number in range(self._partitions.get(topic, 0)):
                start, end = client.watermarks(TopicPartition(topic, number))
                if end > start:
                    found[TopicPartition(topic, number)] = end
        return found

    def committed(self, sink: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        asked = list(partitions)
        offsets = self._client(sink).committed(asked) if asked else {}
        return {key: offsets.get(key) or 0 for key in asked}

    def forget(self, sink: str, partitions: Iterable[TopicPartition]) -> None:
        """Puts a sink that does not run back to the start of its partitions."""
        self._client(sink).commit(dict.fromkeys(partitions, 0))

    def _client(self, sink: str) -> GroupConsumer:
        if sink not in self._clients:
            client = GroupConsumer(self._settings, sink, prefetch=SCAN)
            self._opened.callback(client.close)
            self._clients[sink] = client
        return self._clients[sink]


def behind(ends: Offsets, committed: Offsets) -> dict[TopicPartition, int]:
    """Messages that lie before the ends and are not done, per partition; only where there are some."""
    left = {key: end - committed.get(key, 0) for key, end in ends.items()}
    return {key: count for key, count in left.items() if count > 0}
