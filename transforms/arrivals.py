"""Does bronze get what it usually gets? Of each source: whether messages still come, whether they are landed
soon, and whether a day had as many as the week before it. Only the columns and days needed are read."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from lake.engine import Days, engine
from lake.errors import TableMissing
from lake.schemas import BRONZE_EVENTS, BRONZE_PARTITION
from lake.settings import LakeSettings
from lake.snapshot import snapshot
from lake.storage import wait_ready
from transforms.checks import Finding, find
from transforms.model import Check, Severity

WEEK = 7
LEAST_DAYS = 3
"""Of a source that is younger nobody knows what is usual."""

FRESH = Check(
    name="fresh",
    description="Every source of the last week still sends, and is landed soon",
    severity=Severity.WARN,  # a fleet may sleep, and a sink that was down catches up
    finds="sources",
    sql="""
    with seen as (
        select
            coalesce(source, topic) as source,
            max(kafka_time) as newest_message,
            max(ingest_time) as newest_landing,
            epoch(arg_max(ingest_time - kafka_time, ingest_time)) as behind_s
        from bronze.events
        group by all
    ),
    aged as (
        select *, epoch($now::timestamptz - newest_landing) as silent_s
        from seen
    )
    select source, newest_message, newest_landing, silent_s, behind_s
    from aged
    where silent_s > $silent_after_s or (silent_s < 3600 and behind_s > $behind_after_s)
    order by silent_s desc, source
    """,
)

VOLUME = Check(
    name="volume_as_usual",
    description="The last whole day of each source had about as many messages as the week before",
    severity=Severity.WARN,  # a holiday, a new fleet and a backlog that was caught up are no fault
    finds="sources",
    sql="""
    with seen as (
        select coalesce(source, topic) as source, ingest_date, count(*) as messages
        from bronze.events
        group by all
    ),
    days as (
        select source, unnest(generate_series(min(ingest_date), $day, interval 1 day))::date as ingest_date
        from seen
        group by source
    ),
    daily as (
        select source, ingest_date, coalesce(messages, 0) as messages
        from days left join seen using (source, ingest_date)
    ),
    compared as (
        select
            source,
            any_value(messages) filter (where ingest_date = $day) as messages,
            median(messages) filter (where ingest_date < $day) as usual_messages,
            count(*) filter (where ingest_date < $day) as days
        from daily
        group by source
    )
    select source, $day as ingest_date, messages, usual_messages, messages / usual_messages as ratio
    from compared
    where
        days >= $least_days
        and usual_messages > 0
        and not messages / usual_messages between $volume_least and $volume_most
    order by source
    """,
)

ARRIVALS = (FRESH, VOLUME)


def days_of(check: Check, today: date) -> Days:
    """The days of landing that a check looks at; the last one of VOLUME is the day it judges."""
    last = today - timedelta(days=1) if check is VOLUME else today
    return Days(BRONZE_PARTITION, last - timedelta(days=WEEK), last)


def run_arrivals(lake: LakeSettings, check: Check, today: date, parameters: Mapping[str, Any]) -> Finding:
    """One of ARRIVALS; nothing is wrong where nothing was ever landed."""
    store = wait_ready(lake, writes=False)
    try:
        version = snapshot(store, BRONZE_EVENTS.name).version
    except TableMissing:
        return Finding(check, 0, [])
    with engine(lake) as duck:
        days = days_of(check, today)
        duck.open_version(BRONZE_EVENTS.name, version, days)
        return find(duck, check, {"day": days.last, "least_days": LEAST_DAYS, **parameters})
