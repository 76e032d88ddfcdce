"""What the sensors of a car read now, by canonical signal name, in the catalog's units. Exact values:
rounding belongs to whoever sends them."""

from collections.abc import Callable, Mapping
from math import pi, sin

from simulate.physics import engine_rpm
from simulate.vehicle import IGNITION_ON, METRES_PER_DEGREE, Phase, Vehicle

AC_MAX_KW = 22.0
"""Above it a charger gives direct current."""
KWH_PER_KM = 0.16
RATED_KWH_PER_KM = 0.15
IDEAL_KWH_PER_KM = 0.13
TYRE_PA = 240_000.0


def speed_kmh(car: Vehicle) -> float:
    return 3.6 * (car.speed + car.d_speed * car.fraction)


def odometer_km(car: Vehicle) -> float:
    return 0.001 * (car.odometer + car.d_odometer * car.fraction)


def energy_kwh(car: Vehicle) -> float:
    return max(0.0, car.energy + car.d_energy * car.fraction)


def level_percent(car: Vehicle) -> float:
    return min(100.0, 100.0 * energy_kwh(car) / car.model.store_kwh)


def latitude(car: Vehicle) -> float:
    return car.home[0] + (car.y + car.d_y * car.fraction) / METRES_PER_DEGREE


def longitude(car: Vehicle) -> float:
    return car.home[1] + (car.x + car.d_x * car.fraction) / car.metres_per_degree_east


def altitude(car: Vehicle) -> float:
    """Hills as a function of place, so that a car comes back to the same height."""
    return 80.0 + 25.0 * sin(car.x / 2300.0) + 15.0 * sin(car.y / 1700.0)


def heading(car: Vehicle) -> float:
    return (180.0 / pi) * (car.heading + car.d_heading * car.fraction) % 360.0


def speed_limit(car: Vehicle) -> float:
    return 3.6 * car.speed_limit


def ignition(car: Vehicle) -> float:
    return 1.0 if car.phase in IGNITION_ON else 0.0


def gear(car: Vehicle) -> str:
    return "D" if car.phase in (Phase.DRIVING, Phase.STOPPED) else "P"


def rpm(car: Vehicle) -> float:
    """Of a combustion engine; an electric car has none."""
    if car.model.electric or car.phase not in IGNITION_ON:
        return 0.0
    return engine_rpm(car.speed + car.d_speed * car.fraction)


def coolant(car: Vehicle) -> float:
    return car.coolant + car.d_coolant * car.fraction


def charging_power(car: Vehicle) -> float:
    return -car.power_kw if car.phase is Phase.CHARGING and car.model.electric else 0.0


def _ac(car: Vehicle) -> bool:
    return car.model.fill_kw <= AC_MAX_KW


def ac_power(car: Vehicle) -> float:
    return charging_power(car) if _ac(car) else 0.0


def dc_power(car: Vehicle) -> float:
    return 0.0 if _ac(car) else charging_power(car)


def session_energy(car: Vehicle) -> float:
    """Energy charged since this session began; 0 when there is none."""
    return max(0.0, energy_kwh(car) - car.session_from) if charging_power(car) else 0.0


def ac_energy(car: Vehicle) -> float:
    return session_energy(car) if _ac(car) else 0.0


def dc_energy(car: Vehicle) -> float:
    return 0.0 if _ac(car) else session_energy(car)


def charge_state(car: Vehicle) -> str:
    if car.phase is not Phase.CHARGING:
        return "disconnected"
    return "complete" if car.level >= car.level_wanted else "charging"


def pack_voltage(car: Vehicle) -> float:
    return 330.0 + 0.7 * level_percent(car) - 0.05 * car.power_kw


def battery_power(car: Vehicle) -> float:
    """Positive when charging."""
    return -car.power_kw


def pack_current(car: Vehicle) -> float:
    return 1000.0 * battery_power(car) / pack_voltage(car)


def air(car: Vehicle) -> float:
    return car.climate.temperature(car.now)


def humidity(car: Vehicle) -> float:
    return car.climate.humidity(car.now)


def cabin(car: Vehicle) -> float:
    return 21.5 if car.phase in IGNITION_ON else 0.7 * air(car) + 6.0


def weather(car: Vehicle) -> str:
    return "Clouds" if humidity(car) > 65.0 else "Clear"


def wind(car: Vehicle) -> float:
    return 12.0 + 6.0 * sin(car.now / 1900.0 + car.climate.phase)


def _tyre(offset: float) -> Callable[[Vehicle], float]:
    """Warm tyres have more pressure; each wheel differs a little."""
    return lambda car: TYRE_PA + offset + 250.0 * (coolant(car) - 20.0)


SENSES: Mapping[str, Callable[[Vehicle], float | str]] = {
    "speed": speed_kmh,
    "gps_speed": speed_kmh,
    "speed_limit": speed_limit,
    "odometer": odometer_km,
    "ignition": ignition,
    "gear": gear,
    "latitude": latitude,
    "longitude": longitude,
    "altitude": altitude,
    "heading": heading,
    "soc": level_percent,
    "battery_level": level_percent,
    "energy_remaining": energy_kwh,
    "range": lambda car: energy_kwh(car) / KWH_PER_KM,
    "range_ideal": lambda car: energy_kwh(car) / IDEAL_KWH_PER_KM,
    "range_rated": lambda car: energy_kwh(car) / RATED_KWH_PER_KM,
    "battery_voltage": pack_voltage,
    "battery_current": pack_current,
    "battery_power": battery_power,
    "charge_state": charge_state,
    "charge_power": charging_power,
    "ac_charge_power": ac_power,
    "dc_charge_power": dc_power,
    "ac_charge_energy": ac_energy,
    "dc_charge_energy": dc_energy,
    "charge_limit": lambda car: round(100.0 * car.level_wanted),
    "engine_rpm": rpm,
    "coolant_temperature": coolant,
    "fuel_level": level_percent,
    "temperature": air,
    "humidity": humidity,
    "cabin_temperature": cabin,
    "tire_pressure_front_left": _tyre(0.0),
    "tire_pressure_front_right": _tyre(1_500.0),
    "tire_pressure_rear_left": _tyre(-2_000.0),
    "tire_pressure_rear_right": _tyre(-800.0),
    "weather": weather,
    "wind_speed": wind,
    "traffic": lambda car: float(car.phase is Phase.STOPPED),
}

ELECTRIC_ONLY = {
    "soc",
    "battery_level",
    "energy_remaining",
    "range",
    "range_ideal",
    "range_rated",
    "battery_voltage",
    "battery_current",
    "battery_power",
    "charge_state",
    "charge_power",
    "ac_charge_power",
    "dc_charge_power",
    "ac_charge_energy",
    "dc_charge_energy",
    "charge_limit",
}
COMBUSTION_ONLY = {"engine_rpm", "fuel_level"}

DECIMALS: Mapping[str, int] = {
    "latitude": 6,
    "longitude": 6,
    "odometer": 3,
    "energy_remaining": 3,
    "soc": 2,
    "ignition": 0,
    "engine_rpm": 0,
    "pressure": 0,
    "traffic": 0,
    "charge_limit": 0,
}
"""Digits behind the point that a sensor gives; 2 where none are named."""
