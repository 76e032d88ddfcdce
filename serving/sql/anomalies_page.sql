select *
from seen
where
    $after::timestamptz is null
    or event_time < $after
    or (event_time = $after and anomaly_id > $after_id)
order by event_time desc, anomaly_id
limit $rows
