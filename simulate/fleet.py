"""Which vehicles a source has: their names, kinds and homes. Vehicle i of a source is the same whatever the
size of the fleet; several processes may each run a part of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, pi, sin
from random import Random

from contracts.catalog import Catalog
from contracts.model import Contract
from simulate.channels import Channel, Sense, channels_of, for_engine
from simulate.instruments import Rig, Station
from simulate.physics import HATCHBACK_EV, PETROL, QUADRICYCLE_EV, SALOON_EV, CarModel
from simulate.reporters import Changes, OneByOne, Reporter
from simulate.senses import COMBUSTION_ONLY, ELECTRIC_ONLY, SENSES
from simulate.vehicle import METRES_PER_DEGREE, Vehicle

CITIES = ((52.52, 13.40), (34.02, -6.84), (41.15, -8.62), (37.77, -122.42), (12.97, 77.59), (48.14, 11.58))
RABAT = ((33.99, -6.85),)
HOMES_WITHIN_M = 6_000.0
MAKES = ("HONDA", "TOYOTA", "FORD", "RENAULT", "TATA")
DEFAULT_SENSORS = 1000
PRESSURE = "pressure"

RIG_SENSES: dict[str, Sense] = {
    "pressure": lambda rig: rig.pressure,
    "temperature": lambda rig: rig.temperature,
    "humidity": lambda rig: rig.climate.humidity(rig.now),
}
STATION_SENSES: dict[str, Sense] = {
    "temperature": lambda station: station.climate.temperature(station.now),
    "humidity": lambda station: station.climate.humidity(station.now),
    "latitude": lambda station: station.home[0],
    "longitude": lambda station: station.home[1],
}


@dataclass(frozen=True, slots=True)
class Profile:
    """The kind of fleet behind one source."""

    name: Callable[[int], str]
    models: Sequence[CarModel] = ()
    cities: Sequence[tuple[float, float]] = CITIES


PROFILES = {
    "tcu": Profile(lambda i: str(1000 + i), (HATCHBACK_EV, SALOON_EV)),
    "car": Profile(lambda i: f"CAR_{i + 1:03d}", (PETROL,)),
    "environment": Profile(lambda i: f"VH{i + 1:03d}", (HATCHBACK_EV, PETROL)),
    "pressure": Profile(lambda i: f"{MAKES[i % len(MAKES)]} {231 + i // len(MAKES)}"),
    "sensor": Profile(lambda i: f"sensor_{i + 1}"),
    "tesla": Profile(lambda i: f"LRW3E7FA1PC{i + 1:06d}", (SALOON_EV,)),
    "vss": Profile(lambda i: f"WVWZZZE1ZMP{i + 1:06d}", (HATCHBACK_EV, PETROL)),
    "twizy": Profile(lambda i: f"TWIZY_{i + 1:03d}", (QUADRICYCLE_EV,), RABAT),
}


class Fleet:
    """Makes the vehicles of one source."""

    def __init__(self, contract: Contract, catalog: Catalog, seed: int, start_s: float, sensors: int) -> None:
        self._contract, self._seed, self._start_s = contract, seed, start_s
        names = {
            leaf.signal
            for field in contract.fields.values()
            for leaf in (field.parts.values() if field.parts else (field,))
        }
        default = (PETROL,) if names & COMBUSTION_ONLY and not names & ELECTRIC_ONLY else (HATCHBACK_EV,)
        self._profile = PROFILES.get(contract.name) or Profile(
            lambda i: f"{contract.name}-{i + 1:04d}", default
        )
        self._is_rig = PRESSURE in names and contract.sensor is not None
        self._sensors = sensors if contract.sensor else 0
        senses = RIG_SENSES if self._is_rig else SENSES if self._profile.models else STATION_SENSES
        channels = channels_of(contract, catalog, senses)
        whole = contract.shape == "wide"
        self._electric = channels if whole else for_engine(channels, electric=True)
        self._combustion = channels if whole else for_engine(channels, electric=False)

    def vehicle_id(self, index: int) -> str:
        return self._profile.name(index)

    def reporter(self, index: int) -> Reporter:
        """Vehicle `index`, as it is at the start."""
        vehicle_id = self._profile.name(index)
        life, rng = self._random(vehicle_id, "life"), self._random(vehicle_id, "messages")
        if self._is_rig or not self._profile.models:
            subject = Rig(self._sensors, self._start_s, life) if self._is_rig else self._station(life)
            return Reporter(vehicle_id, subject, self._electric, rng, self._sensors)
        model = self._profile.models[index % len(self._profile.models)]
        home = self._home(life)
        car = Vehicle(model, home, self._start_s, life, driving=index == 0)
        channels = self._electric if model.electric else self._combustion
        return self._car_reporter(vehicle_id, car, channels, rng)

    def _car_reporter(
        self, vehicle_id: str, car: Vehicle, channels: Sequence[Channel], rng: Random
    ) -> Reporter:
        match self._contract.shape:
            case "long":
                return OneByOne(vehicle_id, car, channels, rng, self._sensors)
            case "list":
                return Changes(vehicle_id, car, channels, rng, self._sensors)
            case _:
                return Reporter(vehicle_id, car, channels, rng, self._sensors)

    def _station(self, rng: Random) -> Station:
        return Station(self._home(rng), self._start_s, rng)

    def _home(self, rng: Random) -> tuple[float, float]:
        latitude, longitude = rng.choice(self._profile.cities)
        angle, distance = rng.uniform(0.0, 2.0 * pi), rng.uniform(0.0, HOMES_WITHIN_M) / METRES_PER_DEGREE
        east = distance * sin(angle) / cos(latitude * pi / 180.0)
        return latitude + distance * cos(angle), longitude + east

    def _random(self, vehicle_id: str, purpose: str) -> Random:
        """Random numbers of one vehicle, for one purpose. Seeding with text is stable across versions."""
        return Random(f"{self._seed}/{self._contract.name}/{vehicle_id}/{purpose}")
