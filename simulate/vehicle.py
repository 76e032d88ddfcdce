"""One vehicle's life as a chain of legs: it drives with inertia, waits at lights, idles, charges, sleeps and
wakes. Within a leg every quantity changes linearly, so a life can be sampled at any time, and how often or
with how many neighbours it is sampled does not change it."""

from enum import Enum
from math import cos, exp, pi, radians, sin, sqrt
from random import Random

from simulate.climate import Climate
from simulate.physics import (
    COMFORT_BRAKING,
    MAX_BRAKING,
    CarModel,
    charging_kw,
    drawn_kw,
    strongest_acceleration,
)
from simulate.road import Road, Stretch

METRES_PER_DEGREE = 111_320.0
DRIVER_DELAY_S = 1.2
MAX_CLOCK_AHEAD_S = 290.0
"""Cars wake with clocks up to five minutes ahead; ten seconds are left for the way to the broker."""
LOW_LEVEL = 0.18
WARM_RUNNING_S = 180.0
WARM_PARKED_S = 2400.0


class Phase(Enum):
    """What a vehicle is doing. A charging petrol car is at the pump."""

    DRIVING = "driving"
    STOPPED = "stopped"
    IDLING = "idling"
    PARKED = "parked"
    CHARGING = "charging"
    ASLEEP = "asleep"


IGNITION_ON = {Phase.DRIVING, Phase.STOPPED, Phase.IDLING}
"""Phases in which the ignition is on."""


class Vehicle:
    """A vehicle at the time it was last advanced to. Distances in metres, energy in kWh, times in unix s."""

    __slots__ = (
        "_inverse",
        "_left",
        "_level_wanted",
        "_next",
        "_rng",
        "_road",
        "_since",
        "_stretch",
        "_trip_left",
        "_until",
        "acceleration",
        "climate",
        "clock_ahead",
        "coolant",
        "d_coolant",
        "d_energy",
        "d_heading",
        "d_odometer",
        "d_speed",
        "d_x",
        "d_y",
        "energy",
        "fraction",
        "heading",
        "home",
        "metres_per_degree_east",
        "model",
        "now",
        "odometer",
        "phase",
        "power_kw",
        "session_from",
        "speed",
        "x",
        "y",
    )

    def __init__(
        self, model: CarModel, home: tuple[float, float], start_s: float, rng: Random, *, driving: bool
    ) -> None:
        """Born up to two minutes before `start_s`, in any phase of life unless it must be `driving`."""
        self.model, self.home, self._rng = model, home, rng
        self.climate = Climate.around(rng)
        self.metres_per_degree_east = METRES_PER_DEGREE * cos(radians(home[0]))
        self.odometer = rng.uniform(1_000_000.0, 80_000_000.0)
        self.energy = model.store_kwh * rng.uniform(0.35, 0.95)
        self.speed = self.acceleration = self.x = self.y = self.power_kw = 0.0
        self.clock_ahead = self.session_from = 0.0
        self.heading = rng.uniform(-pi, pi)
        self._road = Road(rng)
        self._next = self._road.next_stretch(0.0, 0.0, self.heading)
        self._trip_left = self._left = self._level_wanted = 0.0
        self._stretch: Stretch = self._next
        self._since = self._until = self.now = start_s - rng.uniform(0.0, 120.0)
        self.coolant = self.climate.temperature(self.now) + rng.uniform(0.0, 60.0)
        self._begin_life(start_s, driving=driving)
        self.advance(start_s)

    def _begin_life(self, start_s: float, *, driving: bool) -> None:
        """In any phase. Who sleeps wakes within half a minute, so that a short run sees cars wake up."""
        drawn = self._rng.random()
        if driving or drawn < 0.70:
            self._begin(Phase.DRIVING)
        elif drawn < 0.80:
            self._begin(Phase.IDLING)
        elif drawn < 0.90:
            self._begin(Phase.CHARGING)
        else:
            self.phase = Phase.ASLEEP
            self._stand(start_s - self._until + self._rng.uniform(2.0, 30.0))

    def advance(self, now: float) -> None:
        """Lives on until `now`; the past is gone."""
        while now >= self._until:
            self._finish_leg()
        self.now = now
        self.fraction = (now - self._since) * self._inverse

    @property
    def asleep(self) -> bool:
        return self.phase is Phase.ASLEEP

    @property
    def speed_limit(self) -> float:
        """m/s that the road allows here."""
        return self._stretch.speed

    @property
    def level_wanted(self) -> float:
        """State of charge, 0..1, at which charging ends."""
        return self._level_wanted or 0.8

    @property
    def level(self) -> float:
        """State of charge or of the tank, 0..1, at the beginning of the leg."""
        return self.energy / self.model.store_kwh

    # -- legs

    def _leg(self, seconds: float) -> None:
        """A leg of standing still; what moves is set by the caller afterwards."""
        self._since, self._until, self._inverse = self._until, self._until + seconds, 1.0 / seconds
        self.d_speed = self.d_odometer = self.d_x = self.d_y = self.d_heading = self.power_kw = 0.0
        self.d_energy = self.d_coolant = self.acceleration = 0.0

    def _finish_leg(self) -> None:
        self.speed += self.d_speed
        self.odometer += self.d_odometer
        self.energy += self.d_energy
        self.x += self.d_x
        self.y += self.d_y
        self.heading += self.d_heading
        self.coolant += self.d_coolant
        match self.phase:
            case Phase.DRIVING:
                self._drive_on()
            case Phase.STOPPED:
                self._begin(Phase.DRIVING)
            case Phase.IDLING:
                self._begin(Phase.PARKED if self._trip_left <= 0.0 else Phase.DRIVING)
            case Phase.PARKED:
                self._leave_parking()
            case Phase.CHARGING:
                self._charge_on()
            case Phase.ASLEEP:
                self._wake()

    def _begin(self, phase: Phase) -> None:
        self.phase, rng = phase, self._rng
        match phase:
            case Phase.DRIVING:
                if self._trip_left <= 0.0:
                    self._trip_left = rng.uniform(0.25, 1.0) * self.model.trip_km * 1000.0
                self._enter_stretch()
                self._drive()
            case Phase.STOPPED:
                self._stand(rng.uniform(5.0, 45.0))
            case Phase.IDLING:
                self._stand(rng.uniform(20.0, 120.0))
            case Phase.PARKED:
                self._stand(rng.uniform(20.0, 90.0))
            case Phase.CHARGING:
                self._level_wanted = rng.uniform(0.80, 1.0)
                self.session_from = self.energy
                self._charge()
            case Phase.ASLEEP:
                self._stand(rng.uniform(600.0, 3600.0))

    def _stand(self, seconds: float) -> None:
        """Waits at a light, idles, is parked or sleeps: the same but for what it draws."""
        self._leg(seconds)
        if self.phase in IGNITION_ON:
            self._draw(self.model.idle_kw, seconds)
            self._warm_towards(86.0, WARM_RUNNING_S, seconds)
        else:
            self._draw(0.01 if self.model.electric else 0.0, seconds)
            self._warm_towards(self.climate.temperature(self._since), WARM_PARKED_S, seconds)

    def _leave_parking(self) -> None:
        drawn = self._rng.random()
        if self.level < 0.35 or (drawn < 0.20 and self.level < 0.80):
            self._begin(Phase.CHARGING)
        else:
            self._begin(Phase.ASLEEP if drawn > 0.60 else Phase.DRIVING)

    def _wake(self) -> None:
        """Half of the cars wake with a clock ahead, until they have sent a first message."""
        rng = self._rng
        self.clock_ahead = rng.uniform(20.0, MAX_CLOCK_AHEAD_S) if rng.random() < 0.5 else 0.0
        self._begin(Phase.DRIVING if self.level > LOW_LEVEL else Phase.CHARGING)

    def _charge(self) -> None:
        power = charging_kw(self.model, self.level)
        missing_s = 3600.0 * (self._level_wanted - self.level) * self.model.store_kwh / power
        seconds = max(0.1, min(10.0, missing_s))
        self._leg(seconds)
        self._draw(-power, seconds)
        self._warm_towards(self.climate.temperature(self._since) + 8.0, WARM_PARKED_S, seconds)

    def _charge_on(self) -> None:
        if self.level < self._level_wanted - 1e-9:
            self._charge()
        else:
            self._begin(Phase.DRIVING if self._rng.random() < 0.6 else Phase.ASLEEP)

    # -- driving

    def _drive_on(self) -> None:
        if self.speed > 0.0 or not self._stretch.stop:
            self._drive()
        else:
            self._begin(Phase.STOPPED if self._trip_left > 0.0 else Phase.IDLING)

    def _drive(self) -> None:
        """One second of driving: towards the speed that road, bend and the stop ahead allow, with inertia."""
        self._since, self._until, self._inverse = self._until, self._until + 1.0, 1.0
        if self._left <= 0.0 and not self._stretch.stop:
            self._enter_stretch()
        model, stretch, speed = self.model, self._stretch, self.speed
        exit_speed = 0.0 if stretch.stop else self._next.speed
        ahead = self._left - speed * DRIVER_DELAY_S
        target = exit_speed if ahead <= 0.0 else sqrt(exit_speed * exit_speed + 2.0 * COMFORT_BRAKING * ahead)
        target = min(target, stretch.speed, model.top_speed)
        wanted = (target - speed) / DRIVER_DELAY_S
        if wanted > 0.0:
            wanted = min(wanted, strongest_acceleration(model, speed))
        self.acceleration += 0.5 * (max(wanted, -MAX_BRAKING) - self.acceleration)
        reached = speed + self.acceleration
        if reached < (0.5 if target < 0.5 else 0.0):
            reached = 0.0
        self._move(speed, reached)

    def _move(self, speed: float, reached: float) -> None:
        distance = 0.5 * (speed + reached)
        self.d_speed = reached - speed
        self.d_odometer = distance
        self.d_heading = self._stretch.curvature * distance
        middle = self.heading + 0.5 * self.d_heading
        self.d_x, self.d_y = distance * sin(middle), distance * cos(middle)
        self._left -= distance
        self._trip_left -= distance
        self.power_kw = power = drawn_kw(self.model, distance, self.d_speed)
        self.d_energy = power / -3600.0
        self.d_coolant = (84.0 + min(16.0, 0.08 * abs(power)) - self.coolant) / WARM_RUNNING_S

    def _enter_stretch(self) -> None:
        """The next stretch begins here; the one after it is already in sight. The last one of a trip, or of
        the battery, ends with a stop."""
        stretch = self._next
        if self._trip_left <= 0.0 or self.level < LOW_LEVEL / 2:
            self._trip_left = min(self._trip_left, 0.0)
            stretch = stretch._replace(stop=True)
        self._stretch = stretch
        self._left = max(self._left, -5.0) + stretch.length
        self._next = self._road.next_stretch(
            self.x, self.y, self.heading + stretch.curvature * stretch.length
        )

    # -- energy and heat

    def _draw(self, power_kw: float, seconds: float) -> None:
        """Takes from the store (gives to it when negative); never below empty."""
        self.power_kw = power_kw
        self.d_energy = max(-self.energy, power_kw * seconds / -3600.0)

    def _warm_towards(self, target: float, time_constant_s: float, seconds: float) -> None:
        self.d_coolant = (target - self.coolant) * (1.0 - exp(-seconds / time_constant_s))
