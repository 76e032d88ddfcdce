-- Should two messages of one moment differ, the greatest value of each signal counts.
with readings as (
    select vehicle_id, event_time, signal, value
    from silver.signals_live
    where
        event_date between $first and $last
        and event_time >= $begin
        and event_time < $end
        and list_contains($topics::varchar[], topic)
        and signal in ('temperature', 'humidity', 'latitude', 'longitude')
        and ($vehicles::varchar[] is null or list_contains($vehicles::varchar[], vehicle_id))
)

select
    vehicle_id as sensor_id,
    event_time as timestamp,
    max(value) filter (where signal = 'temperature') as temperature,
    max(value) filter (where signal = 'humidity') as humidity,
    max(value) filter (where signal = 'latitude') as latitude,
    max(value) filter (where signal = 'longitude') as longitude
from readings
where $after::timestamptz is null or event_time > $after or (event_time = $after and vehicle_id > $after_sensor)
group by vehicle_id, event_time
order by timestamp, sensor_id
limit $rows
