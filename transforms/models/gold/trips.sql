with readings as (
    select
        vehicle_id,
        event_time,
        signal,
        value,
        text,
        {'topic': topic, 'partition': partition, 'offset': "offset"} as message
    from silver.signals
),

-- One row per vehicle and time, whatever was sent then; of several values of a signal the greatest counts.
moments as (
    select
        vehicle_id,
        event_time,
        max(value) filter (where signal = 'ignition') as ignition,
        max(text) filter (where signal = 'gear') as gear,
        max(value) filter (where signal = 'speed') as speed,
        max(value) filter (where signal = 'odometer') as odometer,
        max(value) filter (where signal = 'latitude') as latitude,
        max(value) filter (where signal = 'longitude') as longitude,
        max(value) filter (where signal = 'soc') as soc,
        max(value) filter (where signal = 'energy_remaining') as energy,
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

spells as (
    select
        *,
        cast(event_time as date) as day,
        count(*) filter (where before is null or epoch(event_time) - epoch(before) > $trip_silence_s) over (
            partition by vehicle_id order by event_time
        ) as spell
    from neighbours
),

last_words as (
    select
        vehicle_id,
        spell,
        day,
        arg_max(ignition, event_time) filter (where ignition is not null) as ignition,
        arg_max(gear, event_time) filter (where gear is not null) as gear,
        arg_max(speed, event_time) filter (where speed is not null) as speed,
        arg_max(odometer, event_time) filter (where odometer is not null) as odometer,
        arg_max(latitude, event_time) filter (where latitude is not null) as latitude,
        arg_max(longitude, event_time) filter (where longitude is not null) as longitude,
        arg_max(soc, event_time) filter (where soc is not null) as soc,
        arg_max(energy, event_time) filter (where energy is not null) as energy
    from spells
    group by vehicle_id, spell, day
),

-- What a vehicle has said holds until it has said nothing at all for too long, and to the end of the next day at
-- most: whatever lies before says nothing of a moment.
carried as (
    select
        said.vehicle_id,
        said.event_time,
        said.message,
        said.after,
        said.spell,
        said.day,
        said.speed as speed_sent,
        said.latitude is not null and said.longitude is not null as is_placed,
        coalesce(last_value(said.ignition ignore nulls) over so_far, eve.ignition) as ignition,
        coalesce(last_value(said.gear ignore nulls) over so_far, eve.gear) as gear,
        coalesce(last_value(said.speed ignore nulls) over so_far, eve.speed) as speed,
        coalesce(last_value(said.odometer ignore nulls) over so_far, eve.odometer) as odometer,
        coalesce(last_value(said.latitude ignore nulls) over so_far, eve.latitude) as latitude,
        coalesce(last_value(said.longitude ignore nulls) over so_far, eve.longitude) as longitude,
        coalesce(last_value(said.soc ignore nulls) over so_far, eve.soc) as soc,
        coalesce(last_value(said.energy ignore nulls) over so_far, eve.energy) as energy,
        max(said.event_time) over (partition by said.vehicle_id, said.spell) as spell_end
    from spells as said
    left join last_words as eve
        on eve.vehicle_id = said.vehicle_id and eve.spell = said.spell and eve.day = said.day - 1
    window so_far as (partition by said.vehicle_id, said.spell, said.day order by said.event_time)
),

switched as (
    select
        *,
        case
            when ignition is not null then ignition = 1
            when gear is not null then gear <> 'P'
        end as switch,
        coalesce(lag(speed) over by_time > 0, true) as was_moving,
        min(case when speed_sent > 0 then event_time end) over (
            partition by vehicle_id, spell order by event_time desc
            rows between unbounded preceding and 1 preceding
        ) as moves_again
    from carried
    window by_time as (partition by vehicle_id, spell order by event_time)
),

-- Standing lasts from a reading of speed 0 to the next one above 0, or to the end of the spell.
standing as (
    select
        *,
        coalesce(switch, speed > 0, false) as is_on,
        coalesce(not switch, false) as is_off,
        coalesce(speed > 0, false) as is_moving,
        case
            when speed = 0 then max(case when speed_sent = 0 and was_moving then event_time end) over (
                partition by vehicle_id, spell order by event_time
            )
        end as stands_since
    from switched
),

parked as (
    select
        *,
        coalesce(
            event_time > stands_since
            and epoch(coalesce(moves_again, spell_end)) - epoch(stands_since)
            > case when switch is null then $trip_still_s else $trip_still_switched_s end,
            false
        ) as is_parked
    from standing
),

-- A trip is over behind the reading that says off, behind the begin of a long stand, and behind a spell.
separated as (
    select
        *,
        (is_off and coalesce(lag(is_off) over by_time, true)) or is_parked as is_outside,
        coalesce(lag(is_off or is_parked) over by_time, true) as begins
    from parked
    window by_time as (partition by vehicle_id, spell order by event_time)
),

numbered as (
    select
        *,
        count(*) filter (where begins) over (partition by vehicle_id order by event_time) as drive
    from separated
),

drives as (
    select
        vehicle_id,
        spell,
        min(event_time) filter (where is_moving) as first_move,
        max(event_time) as ended
    from numbered
    where not is_outside
    group by vehicle_id, spell, drive
    having count(*) filter (where is_moving) > 0
),

bounded as (
    select
        *,
        lag(ended) over (partition by vehicle_id order by ended) as previous_end
    from drives
),

begun as (
    select
        bounded.vehicle_id,
        bounded.ended,
        min(carried_on.event_time) as started
    from bounded
    inner join separated as carried_on
        on carried_on.vehicle_id = bounded.vehicle_id
        and carried_on.spell = bounded.spell
        and (bounded.previous_end is null or carried_on.event_time > bounded.previous_end)
        and carried_on.event_time <= bounded.first_move
        and epoch(bounded.first_move) - epoch(carried_on.event_time) <= $trip_lead_s
        and carried_on.is_on
    group by bounded.vehicle_id, bounded.ended
),

-- A drive that lasts beyond the day after its begin is a trip of these two days, and one of each day behind them:
-- a day tells its trips by itself and the days around it.
travelled as (
    select
        begun.vehicle_id,
        begun.started as drive,
        case
            when separated.day > cast(begun.started as date) + 1 then separated.day
            else cast(begun.started as date)
        end as leg,
        separated.* exclude (vehicle_id)
    from begun
    inner join separated
        on separated.vehicle_id = begun.vehicle_id
        and separated.event_time between begun.started and begun.ended
),

bounds as (
    select
        *,
        min(event_time) over whole as started,
        max(event_time) over whole as ended,
        lag(latitude) over by_time as latitude_before,
        lag(longitude) over by_time as longitude_before
    from travelled
    window
        whole as (partition by vehicle_id, drive, leg),
        by_time as (partition by vehicle_id, drive, leg order by event_time)
),

-- What was said at a moment holds to the next one, or for a while where nothing follows.
legs as (
    select
        *,
        case when event_time < ended then least(epoch(after) - epoch(event_time), $trip_hold_s) else 0 end as holds_s
    from bounds
),

summed as (
    select
        vehicle_id,
        started,
        ended,
        count(*) as points,
        arg_min(latitude, event_time) filter (where latitude is not null) as start_latitude,
        arg_min(longitude, event_time) filter (where longitude is not null) as start_longitude,
        arg_max(latitude, event_time) filter (where latitude is not null) as end_latitude,
        arg_max(longitude, event_time) filter (where longitude is not null) as end_longitude,
        arg_max(odometer, event_time) filter (where odometer is not null)
        - arg_min(odometer, event_time) filter (where odometer is not null) as by_odometer_km,
        count(distinct odometer) as odometer_values,
        sum(speed * holds_s) / 3600 as by_speed_km,
        sum(
            2 * 6371.0088 * asin(sqrt(
                pow(sin(radians(latitude - latitude_before) / 2), 2)
                + cos(radians(latitude_before)) * cos(radians(latitude))
                * pow(sin(radians(longitude - longitude_before) / 2), 2)
            ))
        ) filter (where is_placed) as by_position_km,
        max(speed_sent) as top_speed_kmh,
        sum(holds_s) filter (where is_moving) as moving_s,
        count(distinct stands_since) filter (where moves_again <= ended) as stops,
        arg_min(soc, event_time) filter (where soc is not null) as soc_start,
        arg_max(soc, event_time) filter (where soc is not null) as soc_end,
        arg_min(energy, event_time) filter (where energy is not null)
        - arg_max(energy, event_time) filter (where energy is not null) as energy_kwh,
        arg_min(message, event_time) as first_message,
        arg_max(message, event_time) as last_message
    from legs
    group by vehicle_id, started, ended
),

measured as (
    select
        *,
        case
            when odometer_values > 1 then by_odometer_km
            when by_speed_km is not null then by_speed_km
            else by_position_km
        end as distance_km,
        case
            when odometer_values > 1 then 'odometer'
            when by_speed_km is not null then 'speed'
            when by_position_km is not null then 'position'
        end as distance_method
    from summed
)

select
    measured.vehicle_id,
    measured.started as start_time,
    measured.ended as end_time,
    measured.start_latitude,
    measured.start_longitude,
    measured.end_latitude,
    measured.end_longitude,
    epoch(measured.ended) - epoch(measured.started) as duration_s,
    measured.moving_s,
    measured.distance_km,
    measured.distance_method,
    measured.distance_km / (epoch(measured.ended) - epoch(measured.started)) * 3600 as average_speed_kmh,
    measured.top_speed_kmh,
    measured.stops,
    measured.soc_start,
    measured.soc_end,
    measured.soc_start - measured.soc_end as soc_used,
    measured.energy_kwh,
    measured.energy_kwh / nullif(measured.distance_km, 0) * 100 as consumption_kwh_per_100km,
    measured.points,
    measured.first_message.topic as first_topic,
    measured.first_message.partition as first_partition,
    measured.first_message."offset" as first_offset,
    measured.last_message.topic as last_topic,
    measured.last_message.partition as last_partition,
    measured.last_message."offset" as last_offset,
    cast(measured.started as date) as event_date,
    cast(measured.started at time zone vehicles.time_zone as date) as local_date,
    extract(hour from measured.started at time zone vehicles.time_zone) as local_hour
from measured
left join reference.vehicles as vehicles on vehicles.vehicle_id = measured.vehicle_id
where measured.points >= 2 and measured.distance_km >= 0.01
