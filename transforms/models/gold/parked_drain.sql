with activities as (
    select vehicle_id, start_time, end_time, soc_start, soc_end
    from gold.trips
    union all
    select vehicle_id, start_time, end_time, soc_start, soc_end
    from gold.charging_sessions
),

ordered as (
    select
        *,
        lag(end_time) over by_time as parked_since,
        lag(soc_end) over by_time as soc_before
    from activities
    window by_time as (partition by vehicle_id order by start_time, end_time)
)

select
    vehicle_id,
    parked_since as start_time,
    start_time as end_time,
    epoch(start_time) - epoch(parked_since) as parked_s,
    soc_before as soc_start,
    soc_start as soc_end,
    soc_before - soc_start as soc_lost,
    (soc_before - soc_start) / (epoch(start_time) - epoch(parked_since)) * 3600 as soc_lost_per_h,
    cast(start_time as date) as event_date
from ordered
where
    epoch(start_time) - epoch(parked_since) > $parked_least_s
    and soc_before is not null
    and soc_start is not null
