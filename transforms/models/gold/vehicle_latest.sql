with readings as (
    select
        vehicle_id,
        signal,
        {
            'effective_time': last_effective_time,
            'is_text': last_text is not null,
            'value': last_value,
            'text': last_text
        } as reading,
        last_time
    from gold.signal_day
),

newest as (
    select
        vehicle_id,
        signal,
        max(reading) as reading,
        max(last_time) as last_time
    from readings
    group by vehicle_id, signal
)

select
    newest.vehicle_id,
    newest.signal,
    newest.reading.value as value,
    newest.reading.text as text,
    signals.unit,
    newest.reading.effective_time as effective_time,
    newest.last_time as last_event_time,
    signals.signal is not null as is_catalogued
from newest
left join reference.signals as signals on signals.signal = newest.signal
