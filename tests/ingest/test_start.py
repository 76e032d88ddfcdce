"""A sink's questions to Kafka before its work begins: they are asked until they are answered."""

from collections.abc import Iterator

import pytest

from broker.errors import BrokerUnavailable
from ingest.process import Stop, StoppedBeforeStart, answered, logger

NOT_LEADER = BrokerUnavailable("127.0.0.1:1", "reading log starts", "Not leader for partition")


def test_a_broker_that_does_not_lead_its_partitions_yet_is_asked_again() -> None:
    """One that has just come back answers what topics there are before it answers for them."""
    script: Iterator[int | None] = iter([None, None, 7])

    def ask() -> int:
        said = next(script)
        if said is None:
            raise NOT_LEADER
        return said

    assert answered(ask, Stop(), logger("history")) == 7


def test_a_stop_ends_the_questions() -> None:
    """There is nothing to finish."""
    stop = Stop()

    def ask() -> int:
        stop.request()
        raise NOT_LEADER

    with pytest.raises(StoppedBeforeStart):
        answered(ask, stop, logger("history"))
