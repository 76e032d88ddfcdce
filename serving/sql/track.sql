-- Latitude and longitude may come in messages of their own: each holds until the next.
with readings as (
    select
        event_time,
        max(value) filter (where signal = 'latitude') as latitude,
        max(value) filter (where signal = 'longitude') as longitude
    from silver.signals_live
    where
        vehicle_id = $vehicle
        and event_date between $first and $last
        and event_time between $start and $end
        and signal in ('latitude', 'longitude')
    group by event_time
),

places as (
    select
        event_time,
        last_value(latitude ignore nulls) over before as latitude,
        last_value(longitude ignore nulls) over before as longitude
    from readings
    window before as (order by event_time rows between unbounded preceding and current row)
),

known as (
    select *, row_number() over (order by event_time) as number, count(*) over () as places
    from places
    where latitude is not null and longitude is not null and not (latitude = 0 and longitude = 0)
)

select event_time as time, latitude, longitude
from known
where number = 1 or number = places or number % greatest(1, ceil(places / $points)::bigint) = 0
order by event_time
