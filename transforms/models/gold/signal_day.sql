with readings as (
    select
        vehicle_id,
        signal,
        value,
        event_time,
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
    count(*) as readings,
    min(value) as minimum,
    max(value) as maximum,
    -- The sum of numbers near the greatest there are is none.
    case when abs(favg(value)) < 'infinity' then favg(value) end as average,
    min(reading).value as first_value,
    min(reading).text as first_text,
    max(reading).value as last_value,
    max(reading).text as last_text,
    min(event_time) as first_time,
    max(event_time) as last_time,
    max(reading).effective_time as last_effective_time,
    event_date
from readings
group by vehicle_id, signal, event_date
