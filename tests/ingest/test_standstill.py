"""A member without room polls nothing, pauses before its group gives it up, and reads on with room."""

from collections.abc import Iterable, Sequence

import pytest
from structlog.testing import capture_logs

from broker.record import TopicPartition
from ingest.metrics import SinkMetrics
from ingest.process import logger
from ingest.standstill import Standstill

ONE, OTHER = TopicPartition("topic", 0), TopicPartition("topic", 1)
LONGEST_SECONDS = 120.0


class Owner:
    """A consumer that owns what a test says."""

    def __init__(self) -> None:
        self.owned, self.paused = [ONE], set[TopicPartition]()

    def assignment(self) -> Sequence[TopicPartition]:
        return self.owned

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self.paused |= set(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self.paused -= set(partitions)


class Case:
    """Time passes only while a member waits for room."""

    def __init__(self) -> None:
        self.owner, self.metrics, self.now = Owner(), SinkMetrics("history"), 0.0
        self.refusals: list[Exception] = []
        self.member = Standstill(
            self.owner,
            self.metrics,
            logger("history"),
            "it is slow",
            LONGEST_SECONDS,
            lambda: self.now,
            self._before_resume,
        )

    def _before_resume(self) -> None:
        if self.refusals:
            raise self.refusals.pop()

    def _wait(self) -> None:
        self.now += LONGEST_SECONDS / 4

    def may_poll(self, *, has_room: bool) -> bool:
        return self.member.may_poll(has_room=has_room, wait=self._wait)

    def stand_still(self) -> int:
        """Until it may poll; how often it might not."""
        waits = 0
        while not self.may_poll(has_room=False):
            waits += 1
        return waits

    @property
    def says_paused(self) -> float | None:
        return self.metrics.registry.get_sample_value("fleetlake_paused", {"sink": "history"})


@pytest.fixture
def case() -> Case:
    return Case()


def test_nothing_is_polled_until_the_group_would_give_it_up(case: Case) -> None:
    """Then polls go on with all partitions paused, those that are assigned meanwhile too; said once."""
    with capture_logs() as logs:
        assert case.stand_still() == 4
        case.owner.owned = [ONE, OTHER]
        assert case.may_poll(has_room=False)
    assert case.owner.paused == {ONE, OTHER}
    assert case.says_paused == 1
    assert [each["event"] for each in logs] == ["paused"]


def test_with_room_all_is_read_again(case: Case) -> None:
    """And the next standstill has its whole time."""
    case.stand_still()
    assert case.may_poll(has_room=True)
    assert (case.owner.paused, case.says_paused) == (set(), 0)
    assert case.stand_still() == 4


def test_a_short_one_pauses_nothing(case: Case) -> None:
    """What was fetched ahead would be thrown away."""
    for _ in range(10):
        assert not case.may_poll(has_room=False)
        assert case.may_poll(has_room=True)
    assert case.owner.paused == set()


def test_what_forbids_to_go_on_leaves_it_paused(case: Case) -> None:
    """A broker that is away does not say whose topics these are; it is asked again at the next turn."""
    case.stand_still()
    case.refusals.append(ConnectionError())
    with pytest.raises(ConnectionError):
        case.may_poll(has_room=True)
    assert (case.owner.paused, case.says_paused) == ({ONE}, 1)
    assert case.may_poll(has_room=True)
    assert case.owner.paused == set()
