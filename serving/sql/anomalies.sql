with found as (
    from gold.anomalies
    where event_date between $first and $last and not event_date between $open_first and $open_last
    union all by name
    from anomalies_now
),

seen as (
    select *
    from found
    where
        event_time >= $begin
        and event_time < $end
        and ($kind::varchar is null or kind = $kind)
        and ($source::varchar is null or source = $source)
        and ($vehicles::varchar[] is null or list_contains($vehicles::varchar[], vehicle_id))
)
