with readings as (
    select
        epoch_us(event_time) as time_us,
        value,
        -- As gold.signal_minute has it: the newest minute, and within it as the state decides.
        {
            'minute_time': date_trunc('minute', event_time),
            'effective_time': effective_time,
            'is_text': text is not null,
            'value': value,
            'text': text
        } as reading
    from silver.signals_live
    where
        vehicle_id = $vehicle
        and signal = $signal
        and event_date between $first and $last
        and event_time >= $begin
        and event_time < $end
)

select
    time_us - time_us % $step_us as begin_us,
    count(*) as readings,
    count(value) as numbers,
    min(value) as minimum,
    max(value) as maximum,
    case when abs(favg(value)) < 'infinity' then favg(value) end as average,
    max(reading).value as last,
    max(reading).text as last_text
from readings
group by begin_us
order by begin_us
