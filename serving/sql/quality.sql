select *
from gold.signal_quality
where
    ingest_date between $first and $last
    and ($source::varchar is null or source = $source)
    and (
        $after::date is null
        or ingest_date < $after
        or (ingest_date = $after and source > $after_source)
        or (ingest_date = $after and source = $after_source and coalesce(signal, '') > $after_signal)
    )
order by ingest_date desc, source, coalesce(signal, '')
limit $rows
