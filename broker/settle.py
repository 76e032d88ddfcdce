"""Repeats a question while the cluster settles: leaders of a topic that was just made or that just moved,
partitions that were just added, and coordinators of groups."""

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
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._DESTROY_BROKER,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)
PAUSE_S = 0.1
UNKNOWN_S = 2.0
"""What nobody has heard of may have been made just now; if it has not by then, it does not exist."""

T = TypeVar("T")


def settled(
    ask: Callable[[], T],
    timeout_s: float,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """The answer of `ask`, or the client library's error when it is another one or the time is over."""
    began = monotonic()
    while True:
        try:
            return ask()
        except KafkaException as error:
            code = error.args[0].code()
            most_s = min(timeout_s, UNKNOWN_S) if code == KafkaError._UNKNOWN_PARTITION else timeout_s
            if code not in SETTLING or monotonic() - began >= most_s:
                raise
        sleep(PAUSE_S)
