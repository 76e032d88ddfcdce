"""The read API's answers about a made-up fleet, in the shapes of docs/api.md."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from tests.serving.page.made_up_fleet import Car, Json, MadeUpFleet, iso

Query = dict[str, str]
HOUR = timedelta(hours=1)


class NoSuchThing(Exception):
    """Answered with 404."""


class Answers:
    """One method a route."""

    def __init__(self, fleet: MadeUpFleet) -> None:
        self.fleet = fleet
        self.health_status = "ok"

    def route(self, path: str) -> Callable[[Query], Json]:
        """What answers this path."""
        match [unquote(part) for part in path.strip("/").split("/")]:
            case ["vehicles"]:
                return self.vehicles
            case ["vehicles", name, "state" | "series" | "trips" as what]:
                return lambda query: getattr(self, what)(self._car(name), query)
            case ["trips", trip_id]:
                return lambda query: self.trip(trip_id)
            case ["fleet", "latest"]:
                return self.latest
            case [("anomalies" | "alerts" | "quality") as what]:
                return getattr(self, what)  # type: ignore[no-any-return]
            case ["charging-sessions"]:
                return self.charging_sessions
            case ["pipeline", "health"]:
                return self.health
        raise NoSuchThing

    def _car(self, name: str) -> Car:
        try:
            return self.fleet.cars[name]
        except KeyError:
            raise NoSuchThing from None

    def vehicles(self, query: Query) -> Json:
        cars, begin = list(self.fleet.cars.values()), int(query.get("cursor", 0))
        end = begin + int(query.get("limit", 100))
        rows = [
            {"vehicle_id": c.id, "fleet": c.fleet, "model": "Twizy", "last_time": iso(c.time)}
            for c in cars[begin:end]
        ]
        parked = {"vehicle_id": "NEVER_SENT", "fleet": "north", "model": None, "last_time": None}
        if end < len(cars):
            return {"vehicles": rows, "next_cursor": str(end)}
        return {"vehicles": [*rows, parked], "next_cursor": None}

    def state(self, car: Car, query: Query) -> Json:
        signals = [
            {
                "signal": name,
                "sensor": None,
                "value": value,
                "unit": unit,
                "time": iso(car.time),
                "topic": "car.telemetry.v1",
                "partition": car.number % 3,
                "offset": 1_000 + self.fleet.next_id,
            }
            for name, (value, unit) in car.signals().items()
        ]
        known = {"vehicle_id": car.id, "fleet": car.fleet, "last_time": iso(car.time)}
        return known | {"at": iso(datetime.now(UTC)), "signals": signals}

    def series(self, car: Car, query: Query) -> Json:
        begin, end = (datetime.fromisoformat(query[name]) for name in ("from", "to"))
        end = min(end, car.time)
        step = max(10.0, (end - begin).total_seconds() / 300)
        points = []
        while begin < end:
            phase = begin.timestamp() / 400
            value = 45 + 30 * math.sin(phase) if query["signal"] == "speed" else 60 + 20 * math.sin(phase / 9)
            near = {"minimum": value - 4, "maximum": value + 6, "average": value, "last": value}
            points.append({"time": iso(begin), "readings": 10, **near})
            begin += timedelta(seconds=step)
        unit = "km/h" if query["signal"] == "speed" else "%"
        return {
            "vehicle_id": car.id,
            "signal": query["signal"],
            "unit": unit,
            "step_s": step,
            "points": points,
        }

    def _trip(self, car: Car, number: int) -> Json:
        start = self.fleet.begin - number * HOUR / 2 - timedelta(minutes=25)
        return {
            "trip_id": f"{car.id}~{number}",
            "vehicle_id": car.id,
            "start_time": iso(start),
            "end_time": iso(start + timedelta(minutes=20)),
            "duration_s": 1200.0,
            "moving_s": 1100.0,
            "distance_km": 12.34 + number,
            "distance_method": "odometer",
            "average_speed_kmh": 37.0,
            "top_speed_kmh": 71.5,
            "stops": 3,
            "soc_start": 80.0,
            "soc_end": 71.0,
            "soc_used": 9.0,
            "energy_kwh": None,
            "consumption_kwh_per_100km": None,
            "points": 120,
        }

    def trips(self, car: Car, query: Query) -> Json:
        trips = [self._trip(car, number) for number in range(60)]
        kept = [trip for trip in trips if trip["start_time"] >= query.get("from", "")]
        return {"trips": kept[: int(query["limit"])], "next_cursor": None}

    def trip(self, trip_id: str) -> Json:
        name, _, number = trip_id.partition("~")
        trip = self._trip(self._car(name), int(number))
        way = [list(point) for point in self.fleet.way()]
        geometry = {"type": "LineString", "coordinates": way}
        return {"type": "Feature", "geometry": geometry, "properties": trip | {"times": []}}

    def latest(self, query: Query) -> Json:
        features = [
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [car.place[1], car.place[0]]},
                "properties": car.latest(),
            }
            for car in self.fleet.cars.values()
        ]
        return {"type": "FeatureCollection", "features": features}

    def anomalies(self, query: Query) -> Json:
        begin, vehicle = query.get("from", ""), query.get("vehicle")
        rows = [
            row
            for row in self.fleet.anomalies
            if row["event_time"] >= begin and vehicle in (None, row["vehicle_id"])
        ]
        return {"anomalies": rows[::-1][: int(query["limit"])], "next_cursor": None}

    def charging_sessions(self, query: Query) -> Json:
        start = self.fleet.begin - 3 * HOUR
        shared: dict[str, Any] = {
            "start_time": iso(start),
            "end_time": iso(start + HOUR),
            "duration_s": 3600.0,
            "soc_start": 41.0,
            "soc_end": 79.5,
            "soc_added": 38.5,
            "energy_kwh": 2.41,
            "energy_method": "meter",
            "power_max_kw": 2.3,
            "power_avg_kw": 2.2,
            "current_type": "AC",
            "method": "state",
            "points": 60,
        }
        cars = [name for name in self.fleet.cars if query.get("vehicle") in (None, name)]
        return {
            "charging_sessions": [{"vehicle_id": name} | shared for name in cars[:40]],
            "next_cursor": None,
        }

    def quality(self, query: Query) -> Json:
        day = self.fleet.begin.date().isoformat()
        counts = {"readings": 120_034, "vehicles": 14, "duplicates": 12, "conflicts": 0, "gaps": 3}
        late = {"late_p50_s": 0.4, "late_p99_s": 12.5, "ahead": 0, "ahead_max_s": None, "interval_p50_s": 1.0}
        rows = [
            {
                "source": "car",
                "signal": signal,
                "ingest_date": day,
                **counts,
                **late,
                "rejected": bad,
                "out_of_range": bad,
            }
            for signal, bad in ((None, 0), ("speed", 41), ("soc", 0), ("latitude", 7))
        ]
        return {"quality": rows, "next_cursor": None}

    def health(self, query: Query) -> Json:
        is_ok = self.health_status == "ok"
        now = datetime.now(UTC)
        return {
            "status": self.health_status,
            "problems": [] if is_ok else ["the sink history is 120,000 messages behind"],
            "sinks": [
                {"sink": "history", "lag": 0 if is_ok else 120_000, "is_running": True},
                {"sink": "state", "lag": 3, "is_running": True},
                {"sink": "routes", "lag": None, "is_running": None},
            ],
            "layers": [
                {
                    "layer": name,
                    "newest_time": iso(now - timedelta(seconds=age)),
                    "age_s": age,
                    "rows_per_s": rate,
                }
                for name, age, rate in (("bronze", 1.2, 812.4), ("silver", 34.0, 640.0), ("gold", 95.0, None))
            ],
            "rejected": [{"source": "car", "reason": "out_of_range", "last_hour": 41}],
        }

    def alerts(self, query: Query) -> Json:
        alert = {
            "alert_id": "1",
            "rule": "battery_low",
            "vehicle_id": "CAR_003",
            "state": "open",
            "opened_time": iso(self.fleet.begin - timedelta(minutes=12)),
            "resolved_time": None,
            "value": 8.0,
            "summary": "The battery is at 8 % and the vehicle does not charge",
        }
        return {"alerts": [alert], "next_cursor": None}
