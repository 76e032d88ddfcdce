with readings as (
    select
        vehicle_id,
        signal,
        date_trunc('minute', event_time) as minute_time,
        value,
        -- As the state decides: the greatest effective time, then a text before a number, then the value.
        {
            'effective_time': effective_time,
            'is_text': text is not null,
            'value': value,
            'text': text
        } as reading,
        event_date
    from silver.signals
)

select
    vehicle_id,
    signal,
    minute_time,
    count(*) as readings,
    min(value) as minimum,
    max(value) as maximum,
    -- The sum of numbers near the greatest there are is none.
    case when abs(favg(value)) < 'infinity' then favg(value) end as average,
    max(reading).value as last_value,
    max(reading).text as last_text,
    event_date
from readings
group by vehicle_id, signal, minute_time, event_date
