"""How long a question is repeated, by what the cluster answers."""

from dataclasses import dataclass

import pytest
from confluent_kafka import KafkaError, KafkaException

from broker.settle import settled

TIMEOUT_S = 10.0


@dataclass
class Cluster:
    """Answers with one error, on a clock of its own, until it has settled."""

    code: int
    settles_at: float = float("inf")
    now: float = 0.0

    def ask(self) -> str:
        if self.now < self.settles_at:
            raise KafkaException(KafkaError(self.code))
        return "settled"

    def answer(self) -> str:
        return settled(self.ask, TIMEOUT_S, lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("code", "seconds"),
    [
        pytest.param(KafkaError.NOT_LEADER_FOR_PARTITION, TIMEOUT_S, id="a leader that moves"),
        pytest.param(KafkaError.UNKNOWN_LEADER_EPOCH, TIMEOUT_S, id="a leader that has just come"),
        pytest.param(KafkaError._DESTROY_BROKER, TIMEOUT_S, id="a broker that has left"),
        pytest.param(KafkaError._UNKNOWN_PARTITION, 2.0, id="what nobody has heard of"),
        pytest.param(KafkaError.TOPIC_AUTHORIZATION_FAILED, 0.0, id="what asking again does not change"),
    ],
)
def test_a_question_is_repeated_as_long_as_it_may_help(code: int, seconds: float) -> None:
    """Then the client library's error is raised."""
    cluster = Cluster(code)
    with pytest.raises(KafkaException):
        cluster.answer()
    assert cluster.now == pytest.approx(seconds, abs=0.2)


@pytest.mark.parametrize("code", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError._UNKNOWN_PARTITION])
def test_a_cluster_that_settles_is_answered_for(code: int) -> None:
    """A partition that was just added, a leader that has moved."""
    assert Cluster(code, settles_at=1.0).answer() == "settled"
