"""Partitions whose next offset their log does not have: told with the log's ends, until they are moved."""

from collections.abc import Callable, Mapping

import structlog

from broker.errors import OffsetOutOfRange, Transient
from broker.record import TopicPartition

TIMEOUT_S = 2.0
AGAIN_S = 1.0
"""Pause after a broker did not say where a log ends."""

Watermarks = Callable[[TopicPartition, float], tuple[int, int]]

log = structlog.get_logger()


class Outside:
    """For the thread that polls."""

    def __init__(
        self,
        found: Mapping[TopicPartition, int | None],
        watermarks: Watermarks,
        monotonic: Callable[[], float],
    ) -> None:
        """`found`: those that are known now, and the offset that was asked for where it is known."""
        self._found, self._watermarks, self._monotonic = found, watermarks, monotonic
        self._ask_at = 0.0

    def raise_owned(self, owned: Mapping[TopicPartition, int]) -> None:
        """OffsetOutOfRange for one that is owned. While the log's ends cannot be asked the other partitions
        are read on."""
        for name, offset in self._found.items():
            if name not in owned or self._monotonic() < self._ask_at:
                continue
            try:
                low, high = self._watermarks(name, TIMEOUT_S)
            except Transient as error:
                self._ask_at = self._monotonic() + AGAIN_S
                log.warning("kafka.log_unknown", partition=str(name), reason=str(error))
                return
            wanted = offset if offset is not None and offset >= 0 else owned.get(name)
            raise OffsetOutOfRange(*name, wanted, low, high)
