"""`fleetlake wait`: returns when every sink has done what was in the log when it was called."""

import time
from collections.abc import Callable, Mapping, Sequence

from broker.errors import BrokerUnavailable
from broker.record import TopicPartition
from fleetlake.stack.progress import Log, Route, Spans, behind
from fleetlake.stack.unread import Hindrance

POLL_SECONDS = 0.2

Left = dict[str, dict[TopicPartition, int]]


class StillBehind(Exception):
    """The time is over, and messages are left. Carries how many, per sink and partition.

    Operator action: what the hindrance says; without one, `fleetlake status` shows whether the sinks run and
    how fast they are.
    """

    def __init__(
        self,
        seconds: float,
        left: Mapping[str, Mapping[TopicPartition, int]],
        hindrance: Hindrance | None = None,
    ) -> None:
        self.seconds, self.left, self.hindrance = seconds, left, hindrance
        why = "" if hindrance is None else f"; {hindrance}"
        super().__init__(f"after {seconds:g} s there is still something to do: {describe(left)}{why}")


def wait_until_done(
    log: Log,
    routes: Sequence[Route],
    timeout_s: float,
    *,
    hindered: Callable[[], Hindrance | None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Returns once all sinks have done what is in the log now; StillBehind after the timeout.

    A sink's own topics count as they are once it has done its sources: it has to read what it wrote there.
    `hindered` is asked at the end for what may be the reason. Once Kafka has answered it may be away for a
    while; BrokerUnavailable where it is at the end of the time.
    """
    deadline = clock() + timeout_s
    spans = {route.sink: log.spans(route.topics) for route in routes}
    has_inner = {route.sink: route for route in routes if route.inner_topics}
    while True:
        try:
            left = _left(log, spans)
            for sink in [sink for sink in has_inner if sink not in left]:
                spans[sink] = {**spans[sink], **log.spans(has_inner[sink].inner_topics)}
                del has_inner[sink]
                left = _left(log, spans)
        except BrokerUnavailable:
            if clock() >= deadline:
                raise
        else:
            if not left:
                return
            if clock() >= deadline:
                raise StillBehind(timeout_s, left, hindered())
        sleep(POLL_SECONDS)


def describe(left: Mapping[str, Mapping[TopicPartition, int]]) -> str:
    """What is left, in words: per sink, the partitions with most of it first."""
    return "; ".join(
        f"{sink}: {sum(partitions.values()):,} messages ({_worst(partitions)})"
        for sink, partitions in sorted(left.items())
    )


def _worst(partitions: Mapping[TopicPartition, int], shown: int = 5) -> str:
    ordered = sorted(partitions.items(), key=lambda item: (-item[1], item[0]))
    more = f" and {len(ordered) - shown} more" if len(ordered) > shown else ""
    return ", ".join(f"{key} {count:,}" for key, count in ordered[:shown]) + more


def _left(log: Log, spans: Mapping[str, Spans]) -> Left:
    left = {sink: behind(of, log.committed(sink)) for sink, of in spans.items()}
    return {sink: partitions for sink, partitions in left.items() if partitions}
