with readings as (
    select
        vehicle_id,
        event_date,
        value as pressure_max,
        event_time,
        sensor
    from silver.signals
    where signal = 'pressure' and value is not null
),

ranked as (
    select
        *,
        row_number() over (
            partition by vehicle_id, event_date
            order by pressure_max desc, event_time, sensor
        ) as place
    from readings
)

select
    vehicle_id,
    pressure_max,
    event_time as pressure_time,
    sensor,
    event_date
from ranked
where place = 1
