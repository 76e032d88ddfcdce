with refused as (
    select coalesce(source, 'unknown') as source, error as reason, rejected_signals
    from bronze.events
    where
        ingest_date between $first and $last
        and ingest_time >= $begin
        and (error is not null or len(rejected_signals) > 0)
),

reasons as (
    select source, reason
    from refused
    where reason is not null
    union all
    select source, unnest(rejected_signals).reason
    from refused
    where reason is null
)

select source, reason, count(*) as last_hour
from reasons
group by source, reason
order by last_hour desc, source, reason
limit 1000
