"""What the clients of the gateway were answered, compared with what lies in bronze."""

from collections.abc import Sequence

import pytest

from tests.faults.rig.keyed import Answered, Place, Request, judge

FIRST, SECOND = Place("cars", 0, 4), Place("cars", 1, 7)
ANSWERED = [Answered(Request("k", (b"1", b"2")), (FIRST, SECOND), 1)]
Rows = Sequence[tuple[Place, bytes]]


def test_every_event_once_where_it_is_said_to_be() -> None:
    """Nothing is wrong."""
    verdict = judge(ANSWERED, [(SECOND, b"2"), (FIRST, b"1")])
    verdict.audit_ok = True
    assert verdict.is_clean
    assert (verdict.acknowledged, verdict.rows) == (2, 2)


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ([(FIRST, b"1")], "missing"),
        ([(FIRST, b"1"), (SECOND, b"2"), (Place("cars", 1, 9), b"2")], "doubled"),
        ([(FIRST, b"1"), (Place("cars", 1, 8), b"2")], "altered"),
        ([(FIRST, b"2"), (SECOND, b"1")], "altered"),
        ([(FIRST, b"1"), (SECOND, b"2"), (Place("cars", 1, 9), b"3")], "unexpected_rows"),
    ],
)
def test_what_is_wrong_is_told(rows: Rows, wrong: str) -> None:
    """By its name."""
    verdict = judge(ANSWERED, rows)
    verdict.audit_ok = True
    assert getattr(verdict, wrong) > 0
    assert not verdict.is_clean
