"""How far the sinks are, as Kafka knows it: the offsets of their consumer groups against the log. History's
follow its Delta commits, so what is counted here is landed, not only read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from broker.admin import Admin
from broker.consumer import GroupConsumer
from broker.offsets import Offsets
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from contracts.registry import Registry
from fleetlake.sinks import SINKS


class Span(NamedTuple):
    """The messages that a partition holds: from the first offset to behind the last."""

    start: int
    end: int


Spans = Mapping[TopicPartition, Span]
Places = Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Route:
    """What one sink reads: its topics, and those of its own that it fills from them."""

    sink: str
    topics: Sequence[str]
    inner_topics: Sequence[str] = ()


class Log(Protocol):
    """The questions to Kafka."""

    def spans(self, topics: Sequence[str]) -> dict[TopicPartition, Span]:
        """Every partition that holds a message now."""

    def committed(self, sink: str) -> dict[TopicPartition, int]:
        """The sink's offsets."""


class KafkaLog:
    """Asks the real broker; joins no group."""

    def __init__(self, settings: KafkaSettings, timeout_s: float = 10.0) -> None:
        self._offsets = Offsets(settings, Admin(settings, timeout_s))

    def spans(self, topics: Sequence[str]) -> dict[TopicPartition, Span]:
        if not topics:
            return {}
        starts, ends = self._offsets.starts(topics), self._offsets.ends(topics)
        return {key: Span(starts[key], end) for key, end in ends.items() if end > starts[key]}

    def committed(self, sink: str) -> dict[TopicPartition, int]:
        return self._offsets.of_group(sink)


def routes_of(registry: Registry) -> list[Route]:
    """What each sink reads under these contracts."""
    sources = registry.topics()
    maxima = [c.maximum.rekey_topic for c in registry.contracts.values() if c.maximum is not None]
    return [Route(sink, sources, maxima if sink == "routes" else ()) for sink in SINKS]


def behind(spans: Spans, committed: Places) -> dict[TopicPartition, int]:
    """Messages of the spans that are not done, per partition; only where there are some. An offset behind the
    log's end is one of another log: of this one, nothing is known to be done."""
    left = {key: span.end - _place(span, committed.get(key, 0)) for key, span in spans.items()}
    return {key: count for key, count in left.items() if count > 0}


def _place(span: Span, offset: int) -> int:
    return offset if span.start <= offset <= span.end else span.start


def begin_again(settings: KafkaSettings, sinks: Iterable[str], topics: Sequence[str]) -> int:
    """Puts the groups of sinks that do not run back to their topics' start; returns the messages there."""
    ends = Offsets(settings).ends(topics)
    for sink in sinks:
        consumer = GroupConsumer(settings, sink)
        try:
            consumer.commit(dict.fromkeys(ends, 0))
        finally:
            consumer.close()
    return sum(ends.values())
