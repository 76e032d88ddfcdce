"""What a day of silver that is made anew has, against the one that is stored: two tables of an engine, `made`
and `silver.signals`, of that day alone."""

from dataclasses import dataclass
from datetime import date

from lake.engine import Engine

KEEP_NEWER = """
select known.*
from silver.signals as known
left join landed on landed.topic_id = known.topic_id and landed.partition = known.partition
where
    (landed.following is null or known."offset" >= landed.following)
    and not exists (
        select 1
        from made
        where
            made.vehicle_id = known.vehicle_id
            and made.signal = known.signal
            and made.sensor is not distinct from known.sensor
            and made.event_time = known.event_time
            and made.effective_time = known.effective_time
            and made.value is not distinct from known.value
            and made.text is not distinct from known.text
    )
"""
"""Readings of messages behind those that were read: `landed` has the offset that follows, by partition."""

DIFFERENCES = """
with gone as (
    select vehicle_id, signal, sensor, event_time, effective_time, value, text from silver.signals
    except
    select vehicle_id, signal, sensor, event_time, effective_time, value, text from made
),

come as (
    select vehicle_id, signal, sensor, event_time, effective_time, value, text from made
    except
    select vehicle_id, signal, sensor, event_time, effective_time, value, text from silver.signals
),

-- The message that brought a reading first says another time of receipt, or is another one.
restated as (
    select made.vehicle_id
    from made
    inner join silver.signals as known
        on known.vehicle_id = made.vehicle_id
        and known.signal = made.signal
        and known.sensor is not distinct from made.sensor
        and known.event_time = made.event_time
        and known.effective_time = made.effective_time
        and known.value is not distinct from made.value
        and known.text is not distinct from made.text
    where known.received_time is distinct from made.received_time
),

moments as (
    select vehicle_id, signal, sensor, event_time, count(*) as gone, 0 as come from gone group by all
    union all
    select vehicle_id, signal, sensor, event_time, 0, count(*) from come group by all
),

-- A reading that is gone, and one that has come at its moment, are one with another value.
changes as (
    select vehicle_id, least(sum(gone), sum(come)) as changed, sum(gone) as gone, sum(come) as come
    from moments
    group by vehicle_id, signal, sensor, event_time
    union all
    select vehicle_id, 1, 1, 1 from restated
)

select
    (select count(*) from silver.signals) as before,
    (select count(*) from made) as after,
    cast(coalesce(sum(come - changed), 0) as bigint) as added,
    cast(coalesce(sum(gone - changed), 0) as bigint) as removed,
    cast(coalesce(sum(changed), 0) as bigint) as changed,
    count(distinct vehicle_id) as vehicles
from changes
"""


@dataclass(frozen=True, slots=True)
class DayChange:
    """How many readings a day had and has, what differs, and of how many vehicles. `changed` readings have
    another value or time of receipt; they are neither among the added nor the removed ones."""

    day: date
    before: int
    after: int
    added: int
    removed: int
    changed: int
    vehicles: int

    @property
    def is_one(self) -> bool:
        """Whether the day differs at all."""
        return bool(self.added or self.removed or self.changed)


def compare(duck: Engine, day: date) -> DayChange:
    """The day as `made`, against the one in silver."""
    found = duck.select(DIFFERENCES).to_pylist()[0]
    return DayChange(day, **found)
