select *
from gold.trips
where
    event_date between $first and $last
    and start_time >= $begin
    and start_time < $end
    and vehicle_id = $vehicle
    and ($after::timestamptz is null or start_time < $after)
order by start_time desc
limit $rows
