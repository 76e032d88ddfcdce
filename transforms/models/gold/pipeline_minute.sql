with messages as (
    select
        coalesce(source, 'unknown') as source,
        date_trunc('minute', kafka_time) as produced_minute,
        date_trunc('minute', ingest_time) as landed_minute,
        epoch(ingest_time) - epoch(kafka_time) as latency_s,
        error is not null as is_rejected,
        ingest_date
    from bronze.events
),

produced as (
    select
        source,
        produced_minute as minute_time,
        count(*) as produced,
        ingest_date
    from messages
    where produced_minute is not null
    group by source, produced_minute, ingest_date
),

landed as (
    select
        source,
        landed_minute as minute_time,
        count(*) as landed,
        count(*) filter (where is_rejected) as rejected,
        quantile_cont(latency_s, 0.5) as latency_p50_s,
        quantile_cont(latency_s, 0.99) as latency_p99_s,
        max(latency_s) as latency_max_s,
        ingest_date
    from messages
    group by source, landed_minute, ingest_date
),

together as (
    from produced
    union all by name
    from landed
)

select
    source,
    minute_time,
    coalesce(sum(produced), 0) as produced,
    coalesce(sum(landed), 0) as landed,
    coalesce(sum(rejected), 0) as rejected,
    max(latency_p50_s) as latency_p50_s,
    max(latency_p99_s) as latency_p99_s,
    max(latency_max_s) as latency_max_s,
    ingest_date
from together
group by source, minute_time, ingest_date
