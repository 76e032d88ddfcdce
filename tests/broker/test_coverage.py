"""When a group that leaves partitions unread is made to assign them again."""

from collections.abc import Iterator, Sequence

import pytest

from broker.coverage import AGAIN_S, Coverage
from broker.record import TopicPartition

LOST = frozenset({TopicPartition("again", 0)})
NONE: frozenset[TopicPartition] = frozenset()
Answers = Sequence[frozenset[TopicPartition] | None]


def looked(answers: Answers, turns: int = 8) -> tuple[int, int]:
    """How often the group was asked, and how often it was made to assign anew."""
    asked: Iterator[frozenset[TopicPartition] | None] = iter(answers)
    questions, joins, now = 0, 0, 0.0

    def unassigned() -> frozenset[TopicPartition] | None:
        nonlocal questions
        questions += 1
        return next(asked)

    def join_anew() -> None:
        nonlocal joins
        joins += 1

    coverage = Coverage(unassigned, join_anew, lambda: now)
    for _ in range(turns):
        now += AGAIN_S + 1
        coverage.look()
    return questions, joins


@pytest.mark.parametrize(
    ("answers", "questions", "joins"),
    [
        pytest.param([NONE, NONE], 2, 0, id="all have a member: it is not asked again"),
        pytest.param([NONE, None, NONE, NONE], 4, 0, id="an unsettled group does not count"),
        pytest.param([LOST, NONE, NONE], 3, 0, id="a member came by itself"),
        pytest.param([LOST, LOST, NONE, NONE], 4, 1, id="nobody came"),
        pytest.param([LOST, None, LOST, LOST, NONE, NONE], 6, 1, id="twice in a row"),
    ],
)
def test_the_group_is_asked_until_all_partitions_have_a_member(
    answers: Answers, questions: int, joins: int
) -> None:
    """Only what had no member twice in a row is acted on."""
    assert looked(answers) == (questions, joins)
