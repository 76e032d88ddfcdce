"""Days as Dagster's partitions: one per day in UTC, from the first of the calendar to today."""

from collections.abc import Collection, Iterator
from datetime import date, timedelta

import dagster as dg

from orchestration.settings import OrchestrationSettings


def calendar(settings: OrchestrationSettings) -> dg.DailyPartitionsDefinition:
    """Today included: it is built while it lasts."""
    return dg.DailyPartitionsDefinition(
        start_date=settings.first_day.isoformat(), timezone="UTC", end_offset=1
    )


def outside(days: Collection[str], settings: OrchestrationSettings, today: date) -> list[str]:
    """Days that the calendar does not have: they can be in no request, one would block all others."""
    first, last = settings.first_day.isoformat(), today.isoformat()
    return sorted(day for day in days if not first <= day <= last)


def stretches(days: Collection[str]) -> Iterator[tuple[str, str]]:
    """First and last day of each stretch of days without a hole."""
    ordered = sorted(map(date.fromisoformat, days))
    begin = 0
    for index, day in enumerate(ordered):
        is_last = index + 1 == len(ordered) or ordered[index + 1] - day > timedelta(days=1)
        if is_last:
            yield ordered[begin].isoformat(), day.isoformat()
            begin = index + 1
