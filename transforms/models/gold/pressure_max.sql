with ranked as (
    select
        *,
        row_number() over (
            partition by vehicle_id
            order by pressure_max desc, pressure_time, sensor
        ) as place
    from gold.pressure_day
)

select
    vehicle_id,
    pressure_max,
    pressure_time,
    sensor
from ranked
where place = 1
