with seen as (
    select
        vehicle_id,
        min(first_time) as first_seen,
        max(last_time) as last_seen
    from gold.signal_day
    group by vehicle_id
)

select
    coalesce(vehicles.vehicle_id, seen.vehicle_id) as vehicle_id,
    vehicles.fleet,
    vehicles.model,
    vehicles.battery_kwh,
    vehicles.time_zone,
    vehicles.vehicle_id is not null as is_registered,
    seen.first_seen,
    seen.last_seen
from seen
full outer join reference.vehicles as vehicles on vehicles.vehicle_id = seen.vehicle_id
