"""A fleet that exists nowhere, and what the read API would say of it: for trying the page without a stack."""

import json
import math
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]

BERLIN = (52.51, 13.40)
KINDS = (("overspeed", "speed", 180.0), ("overheat", "coolant_temperature", 120.0))
KEPT_EVENTS = 10_000


def iso(time: datetime) -> str:
    """As the API writes times."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Car:
    """Drives in a circle, or stands."""

    id: str
    fleet: str
    number: int
    is_driving: bool
    time: datetime
    speed: float = 0.0
    angle: float = 0.0
    charge_state: str | None = None

    @property
    def soc(self) -> float:
        return 95.0 - self.number % 80

    @property
    def place(self) -> tuple[float, float]:
        """Latitude and longitude."""
        row, column = divmod(self.number, 100)
        radius = 0.004 if self.number < 100 else 0.05
        north, east = radius * math.sin(self.angle), radius * math.cos(self.angle) * 1.6
        return BERLIN[0] + (row % 40) / 8 + north, BERLIN[1] + (column - 6) / 30 + east

    def drive(self, time: datetime) -> None:
        """A step of the circle."""
        self.time, self.angle = time, self.angle + 0.01
        self.speed = 45 + 20 * math.sin(self.angle * 7 + self.number)

    def latest(self) -> Json:
        return {
            "vehicle_id": self.id,
            "fleet": self.fleet,
            "time": iso(self.time),
            "speed": self.speed,
            "soc": self.soc,
            "ignition": int(self.is_driving),
            "charge_state": self.charge_state,
        }

    def signals(self) -> dict[str, tuple[Any, str | None]]:
        """Value and unit by name."""
        latitude, longitude = self.place
        known: dict[str, tuple[Any, str | None]] = {
            "speed": (round(self.speed, 2), "km/h"),
            "soc": (self.soc, "%"),
            "ignition": (int(self.is_driving), None),
            "odometer": (12_345.6 + self.number, "km"),
            "latitude": (round(latitude, 6), "degrees"),
            "longitude": (round(longitude, 6), "degrees"),
        }
        if self.charge_state:
            known["charge_state"] = (self.charge_state, None)
        return known


@dataclass
class MadeUpFleet:
    """Its cars, anomalies and events; `changed` is notified with every event."""

    size: int = 14
    begin: datetime = field(default_factory=lambda: datetime.now(UTC))
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.cars = {car.id: car for car in map(self._car, range(self.size))}
        self.anomalies: list[Json] = []
        self.events: deque[tuple[int, str]] = deque(maxlen=KEPT_EVENTS)
        self.next_id = 1
        for back in range(0, 400, 25):
            self.find_anomaly(
                f"CAR_{back % self.size + 1:03}", KINDS[back // 25 % 2], self.begin - timedelta(seconds=back)
            )

    def _car(self, number: int) -> Car:
        is_driving = number % 3 != 2
        time = self.begin if number % 7 != 5 else self.begin - timedelta(days=3)
        car = Car(f"CAR_{number + 1:03}", "north" if number % 2 else "south", number, is_driving, time)
        car.angle = number * 1.7
        car.speed = 40.0 if is_driving else 0.0
        car.charge_state = "charging" if number % 6 == 2 else None
        return car

    def find_anomaly(self, vehicle: str, kind: tuple[str, str, float], time: datetime) -> None:
        """One more, as if it had been found in a message."""
        name, signal, limit = kind
        self.anomalies.append(
            {
                "anomaly_id": f"a{len(self.anomalies)}",
                "vehicle_id": vehicle,
                "source": "car",
                "signal": signal,
                "sensor": None,
                "kind": name,
                "value": limit + 12.5,
                "threshold": limit,
                "event_time": iso(time),
                "topic": "car.telemetry.v1",
                "partition": 1,
                "offset": 4_000 + len(self.anomalies),
            }
        )

    def step(self) -> None:
        """Every car that drives goes on a little; one that is silent stays so."""
        time = datetime.now(UTC)
        for car in self.cars.values():
            if car.is_driving and (self.begin - car.time).days < 1:
                car.drive(time)
                self.tell(car)

    def tell(self, car: Car) -> None:
        """Its state as an event of the stream."""
        latitude, longitude = car.place
        signals = {
            name: {"value": value, "time": iso(car.time)} for name, (value, _) in car.signals().items()
        }
        event = car.latest() | {"latitude": latitude, "longitude": longitude, "signals": signals}
        with self.changed:
            self.events.append((self.next_id, json.dumps(event)))
            self.next_id += 1
            self.changed.notify_all()

    def since(self, last: int) -> list[tuple[int, str]]:
        """The events after that id."""
        with self.changed:
            return [event for event in self.events if event[0] > last]

    def way(self, number: int = 0) -> Iterator[tuple[float, float]]:
        """[longitude, latitude] along a trip."""
        for step in range(120):
            turn = step / 19
            yield BERLIN[1] + step / 1500 + 0.004 * math.sin(turn), BERLIN[0] + 0.01 * math.cos(turn / 2)
