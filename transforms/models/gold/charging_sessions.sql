with readings as (
    select
        signals.vehicle_id,
        signals.event_time,
        signals.signal,
        signals.value,
        signals.text,
        {'topic': signals.topic, 'partition': signals.partition, 'offset': signals."offset"} as message,
        topics.energy_meter = 'lifetime' as is_lifetime
    from silver.signals as signals
    left join reference.topics as topics on topics.topic = signals.topic
),

-- One row per vehicle and time, whatever was sent then; of several values of a signal the greatest counts.
moments as (
    select
        vehicle_id,
        event_time,
        max(text) filter (where signal = 'charge_state') as charge_state,
        max(value) filter (where signal = 'charge_power') as power,
        max(value) filter (where signal = 'ac_charge_power') as ac_power,
        max(value) filter (where signal = 'dc_charge_power') as dc_power,
        max(value) filter (where signal = 'ac_charge_energy') as ac_energy,
        max(value) filter (where signal = 'dc_charge_energy') as dc_energy,
        coalesce(
            max(value) filter (where signal = 'soc'),
            max(value) filter (where signal = 'battery_level')
        ) as soc,
        max(value) filter (where signal = 'latitude') as latitude,
        max(value) filter (where signal = 'longitude') as longitude,
        coalesce(bool_or(is_lifetime), false) as is_lifetime,
        min(message) as message
    from readings
    group by vehicle_id, event_time
),

neighbours as (
    select
        * replace (
            case when latitude = 0 and longitude = 0 then null else latitude end as latitude,
            case when latitude = 0 and longitude = 0 then null else longitude end as longitude
        ),
        lag(event_time) over by_time as before,
        lead(event_time) over by_time as after
    from moments
    window by_time as (partition by vehicle_id order by event_time)
),

-- What a vehicle has said holds until it has said nothing at all for too long.
spells as (
    select
        *,
        count(*) filter (where before is null or epoch(event_time) - epoch(before) > $charge_silence_s) over (
            partition by vehicle_id order by event_time
        ) as spell
    from neighbours
),

carried as (
    select
        vehicle_id,
        event_time,
        after,
        spell,
        message,
        is_lifetime,
        ac_energy,
        dc_energy,
        last_value(charge_state ignore nulls) over so_far as charge_state,
        last_value(power ignore nulls) over so_far as power,
        last_value(ac_power ignore nulls) over so_far as ac_power,
        last_value(dc_power ignore nulls) over so_far as dc_power,
        last_value(soc ignore nulls) over so_far as soc,
        last_value(latitude ignore nulls) over so_far as latitude,
        last_value(longitude ignore nulls) over so_far as longitude
    from spells
    window so_far as (partition by vehicle_id, spell order by event_time)
),

-- A vehicle that tells AC from DC says the same power twice where it says both.
powered as (
    select
        *,
        coalesce(greatest(power, ac_power, dc_power), 0) as power_kw,
        case
            when charge_state is not null then charge_state = 'charging'
            when coalesce(power, ac_power, dc_power) is not null then greatest(power, ac_power, dc_power) > 0
        end as is_charging
    from carried
),

switched as (
    select
        *,
        coalesce(lag(is_charging) over by_time, false) as was_charging
    from powered
    window by_time as (partition by vehicle_id, spell order by event_time)
),

-- The reading that says it is over belongs to it.
counted as (
    select
        *,
        count(*) filter (where is_charging and not was_charging) over (
            partition by vehicle_id order by event_time
        ) as stretch
    from switched
),

said as (
    select
        vehicle_id,
        min(event_time) as started,
        max(event_time) as ended,
        'state' as method
    from counted
    where is_charging or was_charging
    group by vehicle_id, stretch
),

silent_vehicles as (
    select vehicle_id
    from powered
    group by vehicle_id
    having count(is_charging) = 0
),

-- SoC between trips: one that rises on the road is regeneration. Begins and ends of trips stand beside the
-- readings in one line of time; a reading at the very end of a trip is behind it, one at its begin before it.
road as (
    select vehicle_id, event_time, 1 as place, soc, 0 as starts, 0 as ends
    from moments
    where soc is not null
    union all
    select vehicle_id, end_time, 0, null, 0, 1
    from gold.trips
    union all
    select vehicle_id, start_time, 2, null, 1, 0
    from gold.trips
),

stands as (
    select
        *,
        sum(starts) over so_far as stand,
        sum(starts) over so_far - sum(ends) over so_far as driving
    from road
    window so_far as (partition by vehicle_id order by event_time, place rows unbounded preceding)
),

changes as (
    select
        vehicle_id,
        stand,
        event_time,
        soc,
        soc is distinct from lag(soc) over (partition by vehicle_id, stand order by event_time) as is_new
    from stands
    where place = 1 and driving <= 0 and vehicle_id in (select vehicle_id from silent_vehicles)
),

numbered as (
    select
        *,
        count(*) filter (where is_new) over (partition by vehicle_id, stand order by event_time) as level
    from changes
),

levels as (
    select
        vehicle_id,
        stand,
        level,
        soc,
        min(event_time) as first_seen,
        max(event_time) as last_seen
    from numbered
    group by vehicle_id, stand, level, soc
),

-- One step up. Who sends whole percents was charging already while the last one was shown, for a while.
steps as (
    select
        vehicle_id,
        stand,
        level,
        greatest(
            first_seen,
            least(last_seen, lead(first_seen) over by_level - to_seconds($charge_step_s))
        ) as started,
        lead(first_seen) over by_level as ended,
        lead(soc) over by_level - soc as gained,
        (epoch(lead(first_seen) over by_level) - epoch(last_seen)) / 60 as minutes
    from levels
    window by_level as (partition by vehicle_id, stand order by level)
),

rising as (
    select
        *,
        lag(ended) over (partition by vehicle_id, stand order by level) as previous_end
    from steps
    where gained > 0 and gained <= 1 + $charge_fastest_soc_per_min * minutes
),

risen as (
    select
        *,
        count(*) filter (
            where previous_end is null or epoch(started) - epoch(previous_end) > $charge_pause_s
        ) over (partition by vehicle_id, stand order by level) as rise
    from rising
),

rises as (
    select
        vehicle_id,
        stand,
        min(started) as started,
        max(ended) as ended,
        max(level) + 1 as level,
        sum(gained) as gained
    from risen
    group by vehicle_id, stand, rise
    having sum(gained) >= $charge_least_soc
        and epoch(max(ended)) - epoch(min(started)) >= $charge_least_s
),

-- What falls back at once was never there.
inferred as (
    select
        rises.vehicle_id,
        rises.started,
        rises.ended,
        'soc' as method
    from rises
    left join steps
        on steps.vehicle_id = rises.vehicle_id
        and steps.stand = rises.stand
        and steps.level = rises.level
    where coalesce(steps.gained, 0) >= -rises.gained / 2
),

stretches as (
    select *, lag(ended) over (partition by vehicle_id order by started) as previous_end
    from (from said union all from inferred)
),

joined as (
    select
        *,
        count(*) filter (
            where previous_end is null or epoch(started) - epoch(previous_end) > $charge_pause_s
        ) over (partition by vehicle_id order by started) as session
    from stretches
),

sessions as (
    select
        vehicle_id,
        min(started) as started,
        max(ended) as ended,
        max(method) as method
    from joined
    group by vehicle_id, session
    having max(ended) > min(started)
),

during as (
    select
        sessions.started,
        sessions.ended,
        sessions.method,
        powered.*,
        case
            when powered.is_charging and powered.event_time < sessions.ended
            then least(epoch(powered.after) - epoch(powered.event_time), $charge_pause_s)
            else 0
        end as holds_s
    from sessions
    inner join powered
        on powered.vehicle_id = sessions.vehicle_id
        and powered.event_time between sessions.started and sessions.ended
),

summed as (
    select
        vehicle_id,
        started,
        ended,
        method,
        count(*) as points,
        arg_min(soc, event_time) filter (where soc is not null) as soc_start,
        arg_max(soc, event_time) filter (where soc is not null) as soc_end,
        arg_min(latitude, event_time) filter (where latitude is not null) as latitude,
        arg_min(longitude, event_time) filter (where longitude is not null) as longitude,
        greatest(
            arg_max(ac_energy, event_time) filter (where ac_energy is not null)
            - case
                when bool_or(is_lifetime) then arg_min(ac_energy, event_time) filter (where ac_energy is not null)
                else 0
            end,
            arg_max(dc_energy, event_time) filter (where dc_energy is not null)
            - case
                when bool_or(is_lifetime) then arg_min(dc_energy, event_time) filter (where dc_energy is not null)
                else 0
            end
        ) as metered_kwh,
        sum(power_kw * holds_s) / 3600 as integrated_kwh,
        max(power_kw) filter (where is_charging) as power_max_kw,
        coalesce(max(dc_power) > 0, false) as is_dc,
        coalesce(max(ac_power) > 0, false) as is_ac,
        arg_min(message, event_time) as first_message,
        arg_max(message, event_time) as last_message
    from during
    group by vehicle_id, started, ended, method
),

measured as (
    select
        *,
        case
            when metered_kwh > 0 then metered_kwh
            when integrated_kwh > 0 then integrated_kwh
        end as energy_kwh,
        case
            when metered_kwh > 0 then 'meter'
            when integrated_kwh > 0 then 'power'
        end as energy_method
    from summed
)

select
    measured.vehicle_id,
    started as start_time,
    ended as end_time,
    epoch(ended) - epoch(started) as duration_s,
    latitude,
    longitude,
    soc_start,
    soc_end,
    soc_end - soc_start as soc_added,
    energy_kwh,
    energy_method,
    nullif(power_max_kw, 0) as power_max_kw,
    energy_kwh / (epoch(ended) - epoch(started)) * 3600 as power_avg_kw,
    case when is_dc then 'DC' when is_ac then 'AC' end as current_type,
    method,
    points,
    first_message.topic as first_topic,
    first_message.partition as first_partition,
    first_message."offset" as first_offset,
    last_message.topic as last_topic,
    last_message.partition as last_partition,
    last_message."offset" as last_offset,
    cast(ended as date) as event_date,
    cast(started at time zone vehicles.time_zone as date) as local_date,
    extract(hour from started at time zone vehicles.time_zone) as local_hour
from measured
left join reference.vehicles as vehicles on vehicles.vehicle_id = measured.vehicle_id
