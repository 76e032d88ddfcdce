with days as (
    select
        vehicle_id,
        event_date,
        cast(event_date as timestamptz) as begins,
        cast(event_date as timestamptz) + interval 24 hours as ends,
        sum(readings) as readings,
        min(first_time) as first_seen,
        max(last_time) as last_seen,
        min(minimum) filter (where signal = 'soc') as soc_min,
        max(maximum) filter (where signal = 'soc') as soc_max,
        max(first_value) filter (where signal = 'soc') as soc_start,
        max(last_value) filter (where signal = 'soc') as soc_end,
        max(maximum) filter (where signal = 'speed') as top_speed_kmh
    from gold.signal_day
    group by vehicle_id, event_date
),

-- A trip counts where it starts; its time counts on the days on which it passes.
trips as (
    select
        days.vehicle_id,
        days.event_date,
        count(*) filter (where trips.start_time >= days.begins) as trips,
        sum(trips.distance_km) filter (where trips.start_time >= days.begins) as distance_km,
        sum(trips.energy_kwh) filter (where trips.start_time >= days.begins) as energy_used_kwh,
        sum(
            epoch(least(trips.end_time, days.ends)) - epoch(greatest(trips.start_time, days.begins))
        ) as driven_s
    from days
    inner join gold.trips as trips
        on trips.vehicle_id = days.vehicle_id
        and trips.start_time < days.ends
        and trips.end_time >= days.begins
    group by days.vehicle_id, days.event_date
),

-- As charging belongs to the day on which it ends, so does its energy.
sessions as (
    select
        days.vehicle_id,
        days.event_date,
        count(*) filter (where sessions.end_time < days.ends) as charging_sessions,
        sum(sessions.energy_kwh) filter (where sessions.end_time < days.ends) as energy_charged_kwh,
        sum(
            epoch(least(sessions.end_time, days.ends)) - epoch(greatest(sessions.start_time, days.begins))
        ) as charged_s
    from days
    inner join gold.charging_sessions as sessions
        on sessions.vehicle_id = days.vehicle_id
        and sessions.start_time < days.ends
        and sessions.end_time >= days.begins
    group by days.vehicle_id, days.event_date
)

select
    days.vehicle_id,
    coalesce(trips.trips, 0) as trips,
    coalesce(trips.distance_km, 0) as distance_km,
    trips.energy_used_kwh,
    days.top_speed_kmh,
    coalesce(sessions.charging_sessions, 0) as charging_sessions,
    sessions.energy_charged_kwh,
    coalesce(trips.driven_s, 0) as driven_s,
    coalesce(sessions.charged_s, 0) as charged_s,
    greatest(
        epoch(days.last_seen) - epoch(days.first_seen) - coalesce(trips.driven_s, 0) - coalesce(sessions.charged_s, 0),
        0
    ) as parked_s,
    days.soc_start,
    days.soc_end,
    days.soc_min,
    days.soc_max,
    days.readings,
    days.first_seen,
    days.last_seen,
    days.event_date
from days
left join trips on trips.vehicle_id = days.vehicle_id and trips.event_date = days.event_date
left join sessions on sessions.vehicle_id = days.vehicle_id and sessions.event_date = days.event_date
