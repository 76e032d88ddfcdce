with readings as (
    select
        coalesce(source, 'unknown') as source,
        vehicle_id,
        unnest(signals, max_depth := 2),
        kafka_time,
        topic_id,
        topic,
        partition,
        "offset",
        ingest_date
    from bronze.events
    where error is null
),

deliveries as (
    select
        *,
        row_number() over (
            partition by vehicle_id, signal, sensor, event_time, effective_time, value, text
            order by kafka_time, topic, partition, "offset", topic_id
        ) as delivery
    from readings
),

-- Of readings that differ and are of one moment, all but the first are conflicts.
versions as (
    select
        *,
        row_number() over (
            partition by vehicle_id, signal, sensor, event_time, delivery
            order by kafka_time, topic, partition, "offset", topic_id, value, text
        ) as version,
        case
            when delivery = 1
            then epoch(event_time) - epoch(lag(event_time) over (
                partition by source, vehicle_id, signal, sensor, delivery
                order by event_time, kafka_time, topic, partition, "offset", topic_id, value, text
            ))
        end as interval_s
    from deliveries
),

accepted as (
    select
        source,
        signal,
        ingest_date,
        count(*) as readings,
        count(*) filter (where delivery > 1) as duplicates,
        count(*) filter (where delivery = 1 and version > 1) as conflicts,
        count(distinct vehicle_id) as vehicles,
        quantile_cont(epoch(kafka_time) - epoch(event_time), 0.5) as late_p50_s,
        quantile_cont(epoch(kafka_time) - epoch(event_time), 0.99) as late_p99_s,
        count(*) filter (where effective_time < event_time) as ahead,
        max(epoch(event_time) - epoch(effective_time)) as ahead_max_s,
        quantile_cont(interval_s, 0.5) filter (where interval_s > 0) as interval_p50_s,
        count(*) filter (where interval_s > $trip_silence_s) as gaps
    from versions
    group by source, signal, ingest_date
),

refused as (
    select coalesce(source, 'unknown') as source, null as signal, error as reason, ingest_date
    from bronze.events
    where error is not null
    union all
    select source, signal, reason, ingest_date
    from (
        select
            coalesce(source, 'unknown') as source,
            unnest(rejected_signals, max_depth := 2),
            ingest_date
        from bronze.events
        where error is null
    )
),

rejected as (
    select
        source,
        signal,
        ingest_date,
        count(*) as rejected,
        count(*) filter (where reason = 'malformed_json') as malformed_json,
        count(*) filter (where reason = 'not_an_object') as not_an_object,
        count(*) filter (where reason = 'missing_field') as missing_field,
        count(*) filter (where reason = 'bad_type') as bad_type,
        count(*) filter (where reason = 'bad_time') as bad_time,
        count(*) filter (where reason = 'future_time') as future_time,
        count(*) filter (where reason = 'out_of_range') as out_of_range,
        count(*) filter (where reason = 'too_large') as too_large,
        count(*) filter (where reason = 'unknown_source') as unknown_source
    from refused
    group by source, signal, ingest_date
),

together as (
    from accepted
    union all by name
    from rejected
)

select
    source,
    signal,
    coalesce(sum(readings), 0) as readings,
    coalesce(sum(vehicles), 0) as vehicles,
    coalesce(sum(duplicates), 0) as duplicates,
    coalesce(sum(conflicts), 0) as conflicts,
    coalesce(sum(rejected), 0) as rejected,
    coalesce(sum(malformed_json), 0) as malformed_json,
    coalesce(sum(not_an_object), 0) as not_an_object,
    coalesce(sum(missing_field), 0) as missing_field,
    coalesce(sum(bad_type), 0) as bad_type,
    coalesce(sum(bad_time), 0) as bad_time,
    coalesce(sum(future_time), 0) as future_time,
    coalesce(sum(out_of_range), 0) as out_of_range,
    coalesce(sum(too_large), 0) as too_large,
    coalesce(sum(unknown_source), 0) as unknown_source,
    max(late_p50_s) as late_p50_s,
    max(late_p99_s) as late_p99_s,
    coalesce(sum(ahead), 0) as ahead,
    max(ahead_max_s) as ahead_max_s,
    max(interval_p50_s) as interval_p50_s,
    coalesce(sum(gaps), 0) as gaps,
    ingest_date
from together
group by source, signal, ingest_date
