with crossed as (
    select
        readings.vehicle_id,
        thresholds.source,
        readings.signal,
        readings.sensor,
        thresholds.kind,
        readings.value,
        thresholds.threshold,
        readings.event_time,
        readings.topic,
        readings.partition,
        readings."offset",
        readings.event_date
    from silver.signals as readings
    inner join reference.topics as topics on topics.topic = readings.topic
    inner join reference.thresholds as thresholds
        on thresholds.source = topics.source and thresholds.signal = readings.signal
    where
        case thresholds.op
            when '>' then readings.value > thresholds.threshold
            when '>=' then readings.value >= thresholds.threshold
            when '<' then readings.value < thresholds.threshold
            when '<=' then readings.value <= thresholds.threshold
        end
),

named as (
    select
        left(
            sha256(
                concat_ws(
                    chr(31),
                    source,
                    vehicle_id,
                    signal,
                    coalesce(sensor, ''),
                    kind,
                    epoch_us(event_time),
                    value
                )
            ),
            32
        ) as anomaly_id,
        vehicle_id,
        source,
        signal,
        sensor,
        kind,
        value,
        threshold,
        event_time,
        topic,
        partition,
        "offset",
        event_date
    from crossed
),

-- A reading whose time lies ahead of its receipt is another one when it was received again: one anomaly.
numbered as (
    select
        *,
        row_number() over (partition by anomaly_id order by topic, partition, "offset") as delivery
    from named
)

select * exclude (delivery)
from numbered
where delivery = 1
