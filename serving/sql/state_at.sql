-- As the state decides: the greatest effective time, then a text before a number, the value, the coordinates.
with readings as (
    select
        signal,
        case when list_contains($sensor_topics::varchar[], topic) then sensor end as sensor,
        {
            'effective_time': effective_time,
            'is_text': text is not null,
            'value': value,
            'text': text,
            'place': topic || '/' || partition,
            'offset': "offset",
            'topic': topic,
            'partition': partition
        } as reading
    from silver.signals_live
    where
        vehicle_id = $vehicle
        and event_date between $first and $last
        and effective_time <= $at
        and list_contains($signals::varchar[], signal)
),

newest as (
    select signal, sensor, max(reading) as reading
    from readings
    group by signal, sensor
)

select
    signal,
    sensor,
    reading.value as number,
    reading.text as text,
    reading.effective_time as time,
    reading.topic as topic,
    reading.partition as partition,
    reading."offset" as "offset"
from newest
order by signal, sensor nulls first
