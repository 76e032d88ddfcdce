select *
from gold.charging_sessions
where
    event_date >= $first
    and start_time >= $begin
    and start_time < $end
    and ($vehicles::varchar[] is null or list_contains($vehicles::varchar[], vehicle_id))
    and (
        $after::timestamptz is null
        or start_time < $after
        or (start_time = $after and vehicle_id > $after_vehicle)
    )
order by start_time desc, vehicle_id
limit $rows
