with sessions as (
    select
        vehicle_id,
        cast(date_trunc('month', end_time) as date) as month,
        soc_added,
        energy_kwh,
        energy_kwh is not null and soc_added >= $battery_least_soc as tells_capacity
    from gold.charging_sessions
),

months as (
    select
        vehicle_id,
        month,
        sum(energy_kwh) filter (where tells_capacity)
        / sum(soc_added) filter (where tells_capacity) * 100 as capacity_kwh,
        count(*) filter (where tells_capacity) as sessions_used,
        count(*) as sessions,
        sum(energy_kwh) filter (where tells_capacity) as energy_kwh,
        sum(soc_added) filter (where tells_capacity) as soc_added
    from sessions
    group by vehicle_id, month
)

select
    months.*,
    months.capacity_kwh / vehicles.battery_kwh * 100 as health
from months
left join reference.vehicles as vehicles on vehicles.vehicle_id = months.vehicle_id
