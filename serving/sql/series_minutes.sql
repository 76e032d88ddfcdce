with minutes as (
    select
        epoch_us(minute_time) as time_us,
        readings,
        minimum,
        maximum,
        average,
        {'minute_time': minute_time, 'value': last_value, 'text': last_text} as reading
    from gold.signal_minute
    where
        vehicle_id = $vehicle
        and signal = $signal
        and event_date between $first and $last
        and minute_time >= $begin
        and minute_time < $end
)

select
    time_us - time_us % $step_us as begin_us,
    sum(readings)::bigint as readings,
    coalesce(sum(readings) filter (where average is not null), 0)::bigint as numbers,
    min(minimum) as minimum,
    max(maximum) as maximum,
    sum(average * readings) / sum(readings) filter (where average is not null) as average,
    max(reading).value as last,
    max(reading).text as last_text
from minutes
group by begin_us
order by begin_us
