"""Repeats a question while the cluster settles: leaders of a topic that was just made, or that just moved."""

import time
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

SETTLING = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
    }
)
PAUSE_S = 0.1

T = TypeVar("T")


def settled(
    ask: Callable[[], T],
    timeout_s: float,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """The answer of `ask`, or the client library's error when it is another one or the time is over."""
    deadline = monotonic() + timeout_s
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in SETTLING or monotonic() >= deadline:
                raise
        sleep(PAUSE_S)
