"""Dashboards for those who ask about vehicles. All of them are answered by the read API."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from infra.grafana.panels import bars, board, chart, choice, counted, listing, places, vehicle
from infra.grafana.queries import Column, course, moment, now, number, spanned, text

VEHICLE = "/vehicles/${vehicle:percentencode}"

POSITIONS = now(
    "/fleet/latest",
    "features",
    text("properties.vehicle_id", "vehicle"),
    text("properties.fleet", "fleet"),
    moment("properties.time", "time"),
    number("properties.speed", "speed (km/h)"),
    number("properties.soc", "state of charge (%)"),
    number("geometry.coordinates.1", "latitude"),
    number("geometry.coordinates.0", "longitude"),
)

TRIP = (
    moment("start_time", "start"),
    moment("end_time", "end"),
    number("distance_km", "distance (km)"),
    number("duration_s", "duration (s)"),
    number("average_speed_kmh", "average (km/h)"),
    number("top_speed_kmh", "top (km/h)"),
    number("soc_used", "charge used (%)"),
    number("energy_kwh", "energy (kWh)"),
)

SESSION = (
    text("vehicle_id", "vehicle"),
    moment("start_time", "start"),
    moment("end_time", "end"),
    number("soc_start", "from (%)"),
    number("soc_end", "to (%)"),
    number("energy_kwh", "energy (kWh)"),
    number("power_max_kw", "power, at most (kW)"),
    text("current_type", "current"),
)

ALERT = (
    moment("opened_time", "opened"),
    text("vehicle_id", "vehicle"),
    text("rule", "rule"),
    text("summary", "what happened"),
)

ANOMALY = (
    moment("event_time", "time"),
    text("vehicle_id", "vehicle"),
    text("source", "source"),
    text("kind", "kind"),
    number("value", "value"),
    number("threshold", "threshold"),
)


def _series(signal: str, *columns: Column) -> object:
    return course(f"{VEHICLE}/series", "points", moment("time", "time"), *columns, signal=signal)


def fleet_map() -> Dashboard:
    """Where all vehicles are now."""
    about = "How many vehicles are known, which of them have a problem, and where are they now?"
    known = now("/vehicles", "vehicles", text("vehicle_id", "vehicle"), limit="1000")
    opened = now("/alerts", "alerts", text("alert_id", "alert"), state="open", limit="1000")
    listed = now(
        "/vehicles",
        "vehicles",
        text("vehicle_id", "vehicle"),
        text("fleet", "fleet"),
        text("model", "model"),
        moment("last_time", "last heard of"),
        limit="1000",
    )
    return board(
        "fleetlake-fleet-map",
        "Fleet map",
        about,
        [
            counted("How many vehicles", "Registered or heard of; the first 1000.", known, width=12),
            counted("How many open alerts", "About vehicles; the first 1000.", opened, width=12),
            places(
                "Where they are", "The last known place of every vehicle, and what it said there.", POSITIONS
            ),
            listing(
                "Open alerts", "The newest first.", now("/alerts", "alerts", *ALERT, state="open"), width=12
            ),
            listing("Vehicles", "The first 1000 by their ids.", listed, width=12),
        ],
        span="now-1h",
        refresh="10s",
    )


def one_vehicle() -> Dashboard:
    """What one vehicle did."""
    about = "What did this vehicle do, what does it say now, and by which Kafka message do we know?"
    state = now(
        f"{VEHICLE}/state",
        "signals",
        text("signal", "signal"),
        text("value", "value"),
        text("unit", "unit"),
        moment("time", "since"),
        text("topic", "topic"),
        number("partition", "partition"),
        number("offset", "offset"),
    )
    speed = _series(
        "speed", number("average", "mean"), number("maximum", "greatest"), number("minimum", "least")
    )
    found = spanned("/anomalies", "anomalies", *ANOMALY, vehicle="${vehicle}")
    return board(
        "fleetlake-vehicle",
        "Vehicle",
        about,
        [
            chart("Speed", "Peaks are kept, however long the time span.", speed, unit="velocitykmh"),
            chart(
                "State of charge",
                "The last value of each step.",
                _series("soc", number("last", "charge")),
                unit="percent",
            ),
            listing("State", "The newest value of each signal, and where its message lies.", state, width=12),
            listing("Trips", "The newest first.", spanned(f"{VEHICLE}/trips", "trips", *TRIP), width=12),
            listing("Anomalies", "The newest first.", found),
        ],
        variables=[vehicle()],
        span="now-24h",
    )


def anomalies() -> Dashboard:
    """Readings beyond thresholds."""
    about = "What goes wrong in the fleet, when did it begin, and which vehicles are it?"
    labels = (moment("timestamp", "time"), text("source", "source"), text("kind", "kind"))
    windows = ("/series/anomalies", "points", *labels)
    return board(
        "fleetlake-anomalies",
        "Anomalies per 10 s",
        about,
        [
            bars(
                "Anomalies per 10 s",
                "By kind; the first 10,000 windows of the time span.",
                course(*windows, number("anomalies", "anomalies")),
                width=24,
            ),
            bars(
                "Vehicles with anomalies per 10 s",
                "By kind.",
                course(*windows, number("vehicles", "vehicles")),
                width=24,
            ),
            listing(
                "Anomalies",
                "The newest first, with those of the last seconds.",
                spanned("/anomalies", "anomalies", *ANOMALY),
            ),
        ],
        span="now-1h",
        refresh="10s",
    )


def trips_and_charging() -> Dashboard:
    """Drives and charging."""
    about = "Where did it drive, how far, on how much energy, and where was it charged?"
    trips = spanned(f"{VEHICLE}/trips", "trips", text("trip_id", "trip"), limit="1000")
    way = now(
        "/trips/${trip:percentencode}",
        "geometry.coordinates",
        number("1", "latitude"),
        number("0", "longitude"),
    )
    charged = (number("latitude", "latitude"), number("longitude", "longitude"), *SESSION)
    return board(
        "fleetlake-trips",
        "Trips and charging",
        about,
        [
            listing(
                "Trips",
                "Drives that begin in the time span, the newest first.",
                spanned(f"{VEHICLE}/trips", "trips", *TRIP),
            ),
            places("The way of a trip", "Of the trip that is chosen above.", way, width=12, height=12),
            places(
                "Where was charged",
                "All vehicles.",
                spanned("/charging-sessions", "charging_sessions", *charged, limit="1000"),
                width=12,
                height=12,
            ),
            listing(
                "Charging",
                "All vehicles, the newest first.",
                spanned("/charging-sessions", "charging_sessions", *SESSION),
            ),
        ],
        variables=[vehicle(), choice("trip", "Trip", trips)],
        span="now-30d",
        refresh="5m",
    )
