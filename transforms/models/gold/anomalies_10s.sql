select
    source,
    kind,
    time_bucket(interval '10 seconds', event_time) as window_time,
    count(*) as anomalies,
    count(distinct vehicle_id) as vehicles,
    event_date
from gold.anomalies
group by source, kind, window_time, event_date
