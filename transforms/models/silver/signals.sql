with readings as (
    select
        vehicle_id,
        unnest(signals, max_depth := 2),
        received_time,
        kafka_time,
        topic_id,
        topic,
        partition,
        "offset",
        ingest_date
    from bronze.events
    where error is null
),

-- A lane reads the readings of the day before the message was landed and later, or the older ones.
of_lane as (
    select *
    from readings
    where $is_hot is null or (cast(event_time at time zone 'UTC' as date) >= ingest_date - 1) = $is_hot
),

deliveries as (
    select
        *,
        row_number() over (
            partition by vehicle_id, signal, sensor, event_time, effective_time, value, text
            order by kafka_time, topic, partition, "offset", topic_id
        ) as delivery
    from of_lane
)

select
    vehicle_id,
    signal,
    sensor,
    event_time,
    effective_time,
    value,
    text,
    received_time,
    topic_id,
    topic,
    partition,
    "offset",
    cast(event_time at time zone 'UTC' as date) as event_date
from deliveries
where delivery = 1
