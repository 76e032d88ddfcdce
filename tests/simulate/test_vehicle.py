"""The laws of a simulated life, over a simulated day of every kind of car."""

from itertools import pairwise
from math import hypot
from random import Random

import pytest

from simulate.physics import (
    HATCHBACK_EV,
    MAX_ACCELERATION,
    PETROL,
    QUADRICYCLE_EV,
    SALOON_EV,
    CarModel,
    charging_kw,
    drawn_kw,
    engine_rpm,
)
from simulate.road import REGION_RADIUS_M
from simulate.senses import (
    SENSES,
    energy_kwh,
    latitude,
    level_percent,
    longitude,
    odometer_km,
    speed_kmh,
)
from simulate.vehicle import MAX_CLOCK_AHEAD_S, METRES_PER_DEGREE, Phase, Vehicle

MODELS = [HATCHBACK_EV, SALOON_EV, QUADRICYCLE_EV, PETROL]
START = 1_760_000_000.0
HALF_A_DAY = 43_200


def a_vehicle(model: CarModel = HATCHBACK_EV, seed: int = 1) -> Vehicle:
    """A driving vehicle in Berlin."""
    return Vehicle(model, (52.5, 13.4), START, Random(seed), driving=True)  # noqa: S311 - a seeded life


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_distance_is_the_integral_of_speed(model: CarModel) -> None:
    """The odometer never falls, and over hours it grows by the sum of the speeds, read once a second."""
    vehicle = a_vehicle(model)
    first = last = odometer_km(vehicle)
    summed = 0.0
    for second in range(1, HALF_A_DAY):
        summed += speed_kmh(vehicle) / 3600.0
        vehicle.advance(START + second)
        assert odometer_km(vehicle) >= last
        last = odometer_km(vehicle)
    assert last - first > 20.0
    assert summed == pytest.approx(last - first, rel=1e-3)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_no_car_teleports(model: CarModel) -> None:
    """From second to second the GPS moves as far as the odometer does, within the region around home."""
    vehicle = a_vehicle(model, seed=2)
    for second in range(1, HALF_A_DAY):
        before = latitude(vehicle), longitude(vehicle), odometer_km(vehicle)
        vehicle.advance(START + second)
        north = (latitude(vehicle) - before[0]) * METRES_PER_DEGREE
        east = (longitude(vehicle) - before[1]) * vehicle.metres_per_degree_east
        driven = 1000.0 * (odometer_km(vehicle) - before[2])
        assert hypot(north, east) <= driven + 0.01
        assert hypot(north, east) >= 0.9 * driven - 0.01
        assert hypot(vehicle.x, vehicle.y) < 2.0 * REGION_RADIUS_M


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_speed_has_inertia(model: CarModel) -> None:
    """Speed stays within what the car can do and changes by no more than tyres and motor allow."""
    vehicle = a_vehicle(model, seed=3)
    for second in range(1, HALF_A_DAY):
        before = speed_kmh(vehicle)
        vehicle.advance(START + second)
        change = (speed_kmh(vehicle) - before) / 3.6
        assert -3.6 <= change <= MAX_ACCELERATION + 0.01
        assert 0.0 <= speed_kmh(vehicle) <= 3.6 * model.top_speed * 1.05
        if vehicle.phase is not Phase.DRIVING:
            assert speed_kmh(vehicle) == 0.0


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_energy_comes_from_somewhere(model: CarModel) -> None:
    """The level stays within 0..100 %, rises only while charging or braking, and never jumps."""
    vehicle = a_vehicle(model, seed=4)
    for second in range(1, HALF_A_DAY):
        before, phase, speed = energy_kwh(vehicle), vehicle.phase, speed_kmh(vehicle)
        vehicle.advance(START + second)
        gained = energy_kwh(vehicle) - before
        assert 2.0 < level_percent(vehicle) <= 100.0
        assert abs(gained) <= (model.fill_kw + model.power_kw * 4.0 + model.idle_kw) / 3600.0 + 1e-9
        if Phase.CHARGING not in (phase, vehicle.phase) and gained > 1e-9:
            assert max(speed, speed_kmh(vehicle)) > 0.0
            assert model.electric


def test_a_life_passes_through_every_phase() -> None:
    """Within two days a car drives, stops, idles, parks, charges and sleeps, and sometimes wakes with a
    clock that is ahead, by five minutes at most."""
    vehicle = a_vehicle(seed=5)
    phases, ahead = set(), set()
    for minute in range(2 * 24 * 60):
        vehicle.advance(START + 60.0 * minute + 7.0)
        phases.add(vehicle.phase)
        ahead.add(vehicle.clock_ahead)
    assert phases == set(Phase)
    assert 0.0 < max(ahead) <= MAX_CLOCK_AHEAD_S


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_how_often_a_life_is_sampled_does_not_change_it(model: CarModel) -> None:
    """Sampled ten times a second or once an hour, the vehicle ends at the same place in the same state."""
    often, seldom = a_vehicle(model, seed=6), a_vehicle(model, seed=6)
    for tenth in range(36_000):
        often.advance(START + tenth / 10.0)
    often.advance(START + 3600.0)
    seldom.advance(START + 3600.0)
    assert {name: sense(often) for name, sense in SENSES.items()} == {
        name: sense(seldom) for name, sense in SENSES.items()
    }


def test_charging_is_constant_then_tapers() -> None:
    """Full power up to 80 %, then falling; never zero, so that charging ends."""
    powers = [charging_kw(HATCHBACK_EV, percent / 100.0) for percent in range(101)]
    assert powers[:81] == [HATCHBACK_EV.fill_kw] * 81
    assert all(later <= earlier for earlier, later in pairwise(powers))
    assert 0.0 < powers[-1] < 0.1 * HATCHBACK_EV.fill_kw


def test_faster_costs_more_and_braking_gives_back_a_little() -> None:
    """Energy per km rises with speed; braking returns less than accelerating took."""
    per_km = [drawn_kw(HATCHBACK_EV, kmh / 3.6, 0.0) / kmh for kmh in (50, 80, 110, 130)]
    assert per_km == sorted(per_km)
    assert 0.05 < per_km[0] < per_km[-1] < 0.35
    gain = drawn_kw(HATCHBACK_EV, 14.0, -2.0)
    assert -drawn_kw(HATCHBACK_EV, 14.0, 2.0) < gain < 0.0
    assert drawn_kw(PETROL, 14.0, -2.0) > 0.0


def test_an_engine_turns_within_its_range() -> None:
    """From standstill to 200 km/h a driver keeps the engine between idling and 6,000 rpm."""
    assert all(800.0 <= engine_rpm(kmh / 3.6) < 6000.0 for kmh in range(201))
