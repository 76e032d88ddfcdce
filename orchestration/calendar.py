"""Days as Dagster's partitions: one per day in UTC, from the first of the calendar to today."""

from collections.abc import Collection, Iterator, Mapping
from datetime import date, timedelta

import dagster as dg

from orchestration.settings import OrchestrationSettings
from transforms.model import Check, Severity

INSIDE = Check(
    name="inside_the_calendar",
    description="All readings are of days that Dagster knows",
    severity=Severity.WARN,  # a clock was wrong, and the history is not changed
    whole=True,
    finds="days",
    sql="""
    with dated as (
        select *
        from silver.signals left join reference.topics using (topic)
        where event_date < $first_day or event_date > $last_day
    )
    select
        event_date,
        count(*) as readings,
        count(distinct vehicle_id) as vehicles,
        min(vehicle_id) as first_vehicle,
        string_agg(distinct coalesce(source, topic), ', ') as sources
    from dated
    group by event_date
    order by readings desc, event_date
    """,
)
"""No mart is built of other days: one of them in a request would stop all the others. Tomorrow is let pass,
as of a clock that is a little fast about midnight."""


def calendar(settings: OrchestrationSettings) -> dg.DailyPartitionsDefinition:
    """Today included: it is built while it lasts."""
    return dg.DailyPartitionsDefinition(
        start_date=settings.first_day.isoformat(), timezone="UTC", end_offset=1
    )


def outside(days: Collection[str], settings: OrchestrationSettings, today: date) -> list[str]:
    """Days that the calendar does not have: they can be in no request, one would block all others."""
    first, last = settings.first_day.isoformat(), today.isoformat()
    return sorted(day for day in days if not first <= day <= last)


def ends(settings: OrchestrationSettings, today: date) -> Mapping[str, date]:
    """What INSIDE compares with."""
    return {"first_day": settings.first_day, "last_day": today + timedelta(days=1)}


def stretches(days: Collection[str]) -> Iterator[tuple[str, str]]:
    """First and last day of each stretch of days without a hole."""
    ordered = sorted(map(date.fromisoformat, days))
    begin = 0
    for index, day in enumerate(ordered):
        is_last = index + 1 == len(ordered) or ordered[index + 1] - day > timedelta(days=1)
        if is_last:
            yield ordered[begin].isoformat(), day.isoformat()
            begin = index + 1
