"""How far a process is behind the logs' ends, told once a second."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from broker.record import TopicPartition
from ingest.metrics import SinkMetrics
from ingest.process import Ticker

REPORT_SECONDS = 1.0


class Lagging(Protocol):
    """Of a consumer, what is needed here."""

    def lag(self) -> Mapping[TopicPartition, int]: ...


@dataclass
class LagReport:
    """For the thread that polls."""

    consumer: Lagging
    metrics: SinkMetrics
    clock: Callable[[], float] = time.monotonic
    _due: Ticker = field(init=False)

    def __post_init__(self) -> None:
        self._due = Ticker(REPORT_SECONDS, self.clock)

    def tell_if_due(self) -> None:
        """Of each partition that is owned."""
        if self._due.due():
            for key, messages in self.consumer.lag().items():
                self.metrics.lag(key.topic, key.partition, messages)

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Of partitions that are another's."""
        for key in partitions:
            self.metrics.forget_lag(key.topic, key.partition)
