select *
from gold.trips
where event_date = $day and vehicle_id = $vehicle and start_time = $start
