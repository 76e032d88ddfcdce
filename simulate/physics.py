"""The laws a simulated car obeys: forces, energy, charging, engine. Pure functions in SI units, kW and kWh,
for whoever moves a vehicle; the same numbers give the same answer."""

from dataclasses import dataclass
from math import sqrt

GRAVITY = 9.81
AIR_DENSITY = 1.2
DRIVE_EFFICIENCY = 0.90
REGENERATION_EFFICIENCY = 0.60
ENGINE_EFFICIENCY = 0.28
COMFORT_BRAKING = 1.6
"""m/s² at which a driver plans to brake."""
MAX_ACCELERATION = 2.2
MAX_BRAKING = 3.0
SIDEWAYS_COMFORT = 2.5
"""m/s² at which a driver takes a bend."""
TAPER_FROM = 0.80
"""State of charge above which a battery takes less and less power."""
TAPER_FLOOR = 0.06
IDLE_RPM = 820.0
PETROL_KWH_PER_LITRE = 8.9


@dataclass(frozen=True, slots=True)
class CarModel:
    """Physical constants of one kind of car.

    `store_kwh` is the battery, or the heat of a full tank; `fill_kw` is what a charger or a pump adds.
    """

    name: str
    electric: bool
    mass_kg: float
    drag_area_m2: float
    power_kw: float
    top_speed: float
    store_kwh: float
    fill_kw: float
    idle_kw: float
    trip_km: float
    rolling: float = 0.010
    regeneration_kw: float = 50.0


HATCHBACK_EV = CarModel("hatchback-ev", True, 1550, 0.64, 100, 40.0, 52.0, 50.0, 0.6, 30)
SALOON_EV = CarModel("saloon-ev", True, 1850, 0.53, 220, 55.0, 75.0, 150.0, 0.8, 60)
QUADRICYCLE_EV = CarModel("quadricycle-ev", True, 550, 0.64, 13, 22.5, 6.1, 2.0, 0.1, 12, 0.012, 4.0)
PETROL = CarModel("petrol", False, 1350, 0.66, 85, 50.0, 45 * PETROL_KWH_PER_LITRE, 18_000.0, 7.0, 60)


def traction_kw(model: CarModel, speed: float, acceleration: float) -> float:
    """Power at the wheels; negative while the car brakes harder than drag and rolling do."""
    air = 0.5 * AIR_DENSITY * model.drag_area_m2 * speed * speed
    force = model.mass_kg * (acceleration + GRAVITY * model.rolling) + air
    return force * speed / 1000.0


def drawn_kw(model: CarModel, speed: float, acceleration: float) -> float:
    """Power taken from battery or tank; negative where braking gives some of it back."""
    traction = traction_kw(model, speed, acceleration)
    if not model.electric:
        return model.idle_kw + max(0.0, traction) / ENGINE_EFFICIENCY
    if traction >= 0.0:
        return model.idle_kw + traction / DRIVE_EFFICIENCY
    return model.idle_kw + max(traction * REGENERATION_EFFICIENCY, -model.regeneration_kw)


def strongest_acceleration(model: CarModel, speed: float) -> float:
    """What motor and tyres allow, in m/s²."""
    return min(MAX_ACCELERATION, 900.0 * model.power_kw / (model.mass_kg * max(speed, 1.0)))


def charging_kw(model: CarModel, level: float) -> float:
    """Power into the battery at a state of charge of 0..1: constant, then tapering. A pump never tapers."""
    if not model.electric or level <= TAPER_FROM:
        return model.fill_kw
    return model.fill_kw * max(TAPER_FLOOR, (1.0 - level) / (1.0 - TAPER_FROM))


def braking_speed(distance: float, exit_speed: float) -> float:
    """The highest speed from which `exit_speed` is reached comfortably within `distance` metres."""
    return sqrt(exit_speed * exit_speed + 2.0 * COMFORT_BRAKING * max(0.0, distance))


def bend_speed(radius: float) -> float:
    """The speed a driver takes through a bend of `radius` metres."""
    return sqrt(SIDEWAYS_COMFORT * radius)


GEAR_RATIO = (0.0, 420.0, 230.0, 155.0, 115.0, 90.0, 76.0)
GEAR_UP_AT = (0.0, 5.5, 10.0, 15.0, 20.5, 26.0)
"""m/s above which the next gear is taken."""


def engine_rpm(speed: float) -> float:
    """Engine speed of a running combustion engine, from the gear a driver would use."""
    gear = 1
    for limit in GEAR_UP_AT[1:]:
        gear += speed > limit
    return max(IDLE_RPM, speed * GEAR_RATIO[gear])
