select
    time_bucket(interval '10 seconds', event_time) as timestamp,
    source,
    kind,
    count(*) as anomalies,
    count(distinct vehicle_id) as vehicles
from seen
group by timestamp, source, kind
order by timestamp, source, kind
limit $rows
