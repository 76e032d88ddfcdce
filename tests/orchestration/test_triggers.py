"""When due days are asked for, with a clock of the test's own."""

from dataclasses import replace
from datetime import date

from orchestration.settings import OrchestrationSettings
from orchestration.triggers import LONGEST_WAIT, Choice, Memory, choose

TODAY, PAST, FUTURE, ANCIENT = "2026-03-10", "2026-02-08", "2026-03-11", "1970-01-01"
SETTINGS = OrchestrationSettings(quiet_s=120, today_every_s=300)
BEGAN = 1_000_000.0


def look(due: dict[str, list[str]], memory: Memory, seconds: float, past_rows: int = 1) -> Choice:
    marks = {PAST: past_rows, TODAY: int(seconds)}
    return choose(due, marks, memory, SETTINGS, BEGAN + seconds, date.fromisoformat(TODAY))


def test_today_is_asked_for_every_few_minutes() -> None:
    """However often it gets something; tables without days are made with it."""
    due = {"gold.trips": [TODAY], "gold.vehicle_latest": ["all"]}
    first = look(due, Memory(), 0)
    assert first.plan == due
    soon = look(due, first.memory, 299)
    assert (soon.plan, soon.waits) == ({}, ["today was built a short while ago"])
    assert look(due, soon.memory, 300).plan == due


def test_a_past_day_is_asked_for_when_nothing_more_comes() -> None:
    """Late events come in swarms: a car that was away sends all it has."""
    due = {"gold.trips": [PAST]}
    memory = look({}, Memory(), 0).memory
    for seconds, rows in ((100, 2), (200, 3)):
        choice = look(due, memory, seconds, rows)
        assert choice.plan == {}
        memory = choice.memory
    assert look(due, memory, 319, 3).plan == {}
    assert look(due, memory, 320, 3).plan == due


def test_a_past_day_that_never_rests_is_asked_for_all_the_same() -> None:
    """After a few times the quiet that was wanted."""
    due = {"gold.trips": [PAST]}
    memory, asked = look({}, Memory(), 0).memory, []
    for seconds in range(60, 1261, 60):
        choice = look(due, memory, seconds, past_rows=seconds)
        memory = choice.memory
        asked += [seconds] if choice.plan else []
    assert asked == [LONGEST_WAIT * 120, 2 * LONGEST_WAIT * 120]


def test_days_outside_the_calendar_are_never_asked_for() -> None:
    """One of them would stop all others."""
    due = {"gold.trips": [ANCIENT, PAST, TODAY, FUTURE]}
    memory = replace(look({}, Memory(), 0).memory, today_at=0)
    assert look(due, memory, 200).plan == {"gold.trips": [PAST, TODAY]}


def test_a_memory_that_was_lost_or_is_of_another_version_begins_anew() -> None:
    """A cursor is only a hint."""
    for text in (None, "", "nonsense", "[]", '{"unknown": 1}', '{"today_at": 5.0, "unknown": 1}'):
        assert Memory.of(text).past == ""
    kept = Memory("x", 1.0, 2.0, 3.0)
    assert Memory.of(kept.text()) == kept
