with readings as (
    select
        vehicle_id,
        event_time,
        date_trunc('hour', event_time) as hour_time,
        signal,
        value,
        text
    from silver.signals
),

-- One row per vehicle and time, whatever was sent then; of several values of a signal the greatest counts.
sent as (
    select
        vehicle_id,
        event_time,
        hour_time,
        count(*) as readings,
        max(value) filter (where signal = 'speed') as speed,
        max(value) filter (where signal = 'odometer') as odometer,
        max(value) filter (where signal = 'soc') as soc,
        max(value) filter (where signal = 'energy_remaining') as energy,
        max(text) filter (where signal = 'charge_state') as charge_state,
        greatest(
            max(value) filter (where signal = 'charge_power'),
            max(value) filter (where signal = 'ac_charge_power'),
            max(value) filter (where signal = 'dc_charge_power')
        ) as charge_power,
        max(value) filter (where signal = 'temperature') as temperature,
        max(value) filter (where signal = 'coolant_temperature') as coolant_temperature
    from readings
    group by vehicle_id, event_time, hour_time
),

-- The begin of an hour is a moment too: what was said before it holds on into it.
moments as (
    select *, event_time as sent_time
    from sent
    union all by name
    select distinct vehicle_id, hour_time as event_time, hour_time
    from sent
    where not exists (
        select 1
        from sent as said
        where said.vehicle_id is not distinct from sent.vehicle_id
            and said.event_time is not distinct from sent.hour_time
    )
),

heard as (
    select
        *,
        last_value(sent_time ignore nulls) over so_far as heard_time,
        last_value(sent_time ignore nulls) over before as heard_before
    from moments
    window
        so_far as (partition by vehicle_id order by event_time),
        before as (partition by vehicle_id order by event_time rows between unbounded preceding and 1 preceding)
),

-- What a vehicle has said holds until it has said nothing at all for too long: of charging, for longer.
spells as (
    select
        *,
        epoch(event_time) - epoch(heard_before) as silence_s,
        count(*) filter (
            where heard_before is null or epoch(event_time) - epoch(heard_before) > $trip_silence_s
        ) over by_time as spell,
        count(*) filter (
            where heard_before is null or epoch(event_time) - epoch(heard_before) > $charge_silence_s
        ) over by_time as charge_spell
    from heard
    window by_time as (partition by vehicle_id order by event_time)
),

carried as (
    select
        *,
        last_value(speed ignore nulls) over so_far as speed_known,
        last_value(odometer ignore nulls) over so_far as odometer_known,
        last_value(soc ignore nulls) over so_far as soc_known,
        last_value(energy ignore nulls) over so_far as energy_known,
        last_value(charge_state ignore nulls) over of_charging as charge_state_known,
        last_value(charge_power ignore nulls) over of_charging as charge_power_known
    from spells
    window
        so_far as (partition by vehicle_id, spell order by event_time),
        of_charging as (partition by vehicle_id, charge_spell order by event_time)
),

-- A moment lasts to the next one, and never beyond its hour: what comes after that is not known yet.
lasting as (
    select
        *,
        least(
            coalesce(epoch(lead(event_time) over by_time), 'infinity'),
            epoch(hour_time) + 3600
        ) - epoch(event_time) as lasts_s,
        coalesce(epoch(event_time) - epoch(heard_time), 0) as age_s,
        coalesce(speed_known > 0, false) as is_moving,
        case
            when charge_state_known is not null then charge_state_known = 'charging'
            else coalesce(charge_power_known > 0, false)
        end as is_charging
    from carried
    window by_time as (partition by vehicle_id order by event_time)
),

stepped as (
    select
        *,
        least(lasts_s, greatest($trip_hold_s - age_s, 0)) as holds_s,
        least(lasts_s, greatest($charge_silence_s - age_s, 0)) as charges_s,
        is_moving and not coalesce(lag(is_moving) over by_spell, false) as sets_off,
        greatest(soc_known - lag(soc_known) over by_spell, 0) as soc_rise
    from lasting
    window by_spell as (partition by vehicle_id, spell order by event_time)
),

hours as (
    select
        vehicle_id,
        hour_time,
        sum(readings) as readings,
        count(sent_time) as points,
        max(silence_s) filter (
            where sent_time is not null and heard_before < hour_time and silence_s <= 86400
        ) as silence_before_s,
        max(lasts_s) as silence_max_s,
        count(*) filter (
            where sent_time is not null and silence_s > $trip_silence_s and silence_s <= 86400
        ) as gaps,
        sum(speed_known * holds_s) / nullif(sum(holds_s) filter (where speed_known is not null), 0) as speed_avg,
        sum(speed_known * speed_known * holds_s)
        / nullif(sum(holds_s) filter (where speed_known is not null), 0) as speed_square_avg,
        max(speed) as speed_max,
        sum(speed_known * holds_s) / 3600 as distance_km,
        arg_max(odometer_known, event_time) filter (where odometer_known is not null)
        - arg_min(odometer_known, event_time) filter (where odometer_known is not null) as odometer_km,
        coalesce(sum(holds_s) filter (where is_moving), 0) as moving_s,
        count(*) filter (where sets_off) as starts,
        arg_min(soc_known, event_time) filter (where soc_known is not null) as soc_start,
        arg_max(soc_known, event_time) filter (where soc_known is not null) as soc_end,
        min(soc_known) as soc_min,
        coalesce(sum(soc_rise), 0) as soc_gained,
        arg_min(energy_known, event_time) filter (where energy_known is not null)
        - arg_max(energy_known, event_time) filter (where energy_known is not null) as energy_used_kwh,
        coalesce(sum(charges_s) filter (where is_charging), 0) as charging_s,
        max(charge_power) as charge_power_max_kw,
        favg(temperature) as temperature_avg,
        max(coolant_temperature) as coolant_temperature_max
    from stepped
    group by vehicle_id, hour_time
),

beyond as (
    select
        vehicle_id,
        date_trunc('hour', event_time) as hour_time,
        count(*) as anomalies,
        count(*) filter (where kind = 'overspeed') as overspeed,
        count(*) filter (where kind = 'overheat') as overheat,
        count(*) filter (where kind = 'low_fuel') as low_fuel,
        count(*) filter (where kind = 'high_rpm') as high_rpm
    from gold.anomalies
    group by vehicle_id, hour_time
)

select
    hours.vehicle_id,
    hours.hour_time,
    hour(hours.hour_time) as hour_of_day,
    isodow(hours.hour_time) as day_of_week,
    hours.readings,
    hours.points,
    hours.silence_before_s,
    hours.silence_max_s,
    hours.gaps,
    hours.speed_avg as speed_avg_kmh,
    hours.speed_max as speed_max_kmh,
    sqrt(greatest(hours.speed_square_avg - hours.speed_avg * hours.speed_avg, 0)) as speed_std_kmh,
    hours.distance_km,
    hours.odometer_km,
    hours.moving_s,
    hours.starts,
    hours.soc_start,
    hours.soc_end,
    hours.soc_min,
    hours.soc_gained,
    hours.energy_used_kwh,
    hours.charging_s,
    hours.charge_power_max_kw,
    hours.temperature_avg as temperature_avg_c,
    hours.coolant_temperature_max as coolant_temperature_max_c,
    coalesce(beyond.anomalies, 0) as anomalies,
    coalesce(beyond.overspeed, 0) as overspeed,
    coalesce(beyond.overheat, 0) as overheat,
    coalesce(beyond.low_fuel, 0) as low_fuel,
    coalesce(beyond.high_rpm, 0) as high_rpm,
    cast(hours.hour_time as date) as event_date
from hours
left join beyond on beyond.vehicle_id = hours.vehicle_id and beyond.hour_time = hours.hour_time
