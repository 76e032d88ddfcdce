"""What is due becomes runs: one per stretch of days."""

import pytest

from orchestration.calendar import outside, stretches
from orchestration.materialize import Request, requests_of
from orchestration.settings import OrchestrationSettings
from tests.transforms.small_lake import NOON


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([], []),
        (["2026-01-01"], [("2026-01-01", "2026-01-01")]),
        (["2026-03-01", "2026-02-28", "2026-02-27"], [("2026-02-27", "2026-03-01")]),
        (
            ["2025-12-31", "2026-01-01", "2026-01-03"],
            [("2025-12-31", "2026-01-01"), ("2026-01-03", "2026-01-03")],
        ),
    ],
)
def test_days_without_a_hole_are_one_stretch(days: list[str], expected: list[tuple[str, str]]) -> None:
    """In any order, over the ends of months and years."""
    assert list(stretches(days)) == expected


def test_a_plan_is_one_run_per_stretch() -> None:
    """With the tables that have a day in it; those without days come with the last one."""
    plan = {
        "gold.trips": ["2026-01-01", "2026-01-05"],
        "gold.signal_day": ["2026-01-05", "2026-01-06"],
        "gold.vehicle_latest": ["all"],
    }
    first, second = requests_of(plan)
    assert first == Request(["gold.trips"], "2026-01-01", "2026-01-01")
    assert second == Request(
        ["gold.trips", "gold.signal_day", "gold.vehicle_latest"], "2026-01-05", "2026-01-06"
    )
    assert list(requests_of({"gold.vehicle_latest": ["all"]})) == [Request(["gold.vehicle_latest"])]
    assert list(requests_of({})) == []


def test_days_outside_the_calendar_are_told_apart() -> None:
    """A clock that is wrong by years; today is inside."""
    days = ["1970-01-01", "2010-01-01", "2026-03-10", "2026-03-11"]
    assert outside(days, OrchestrationSettings(), NOON.date()) == ["1970-01-01", "2026-03-11"]
