"""Messages whose truth is known without decoding them: message `n` of a run is always the same, and so is
what must become of it. Nothing of the product's own decoding or simulation is used here."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.rig import storms
from tests.faults.rig.message import (
    ANOMALIES,
    CAR,
    DEAD_LETTERS,
    MAXIMA,
    OVERSPEED_KMH,
    PRESSURE,
    TCU,
    TOPICS,
    Message,
    Value,
    iso,
)

__all__ = [
    "ANOMALIES",
    "CAR",
    "DEAD_LETTERS",
    "MAXIMA",
    "OVERSPEED_KMH",
    "PRESSURE",
    "RECEIPT_MS",
    "TCU",
    "TOPICS",
    "Message",
    "Traffic",
    "Value",
]

MASK = (1 << 64) - 1
LATE_MS = 600_000
RECEIPT_MS = 875
VEHICLES = 100
"""Of each source."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """The messages of one run. Shares are of all messages; `clock_ahead_ms` shifts what producers think is
    the time, `begin_ms` is when message 0 happened. `receipt_ms` is how long after the time of the event a
    message says that it was received, where its source says so; less than 0 corrects a clock that is ahead.
    What happens at `future_from_ms` or later must be rejected as `future_time`."""

    begin_ms: int
    seed: int = 1
    bad: float = 0.05
    late: float = 0.05
    doubled: float = 0.03
    clock_ahead_ms: int = 0
    sources: tuple[str, ...] = ("tcu", "car", "pressure")
    receipt_ms: int = RECEIPT_MS
    future_from_ms: int | None = None

    def message(self, number: int) -> Message:
        """Message `number`; a doubled one is the one before it once more."""
        draw = _draw(number, self.seed)
        if number and _share(draw, 0) < self.doubled:
            return self.message(number - 1)
        late = LATE_MS if _share(draw, 1) < self.late else 0
        time_ms = self.begin_ms + self.clock_ahead_ms + number - late
        is_bad = _share(draw, 2) < self.bad
        source = self.sources[(draw >> 48) % len(self.sources)]
        message = MAKERS[source](draw, time_ms, is_bad, self.receipt_ms)
        if self.future_from_ms is None or time_ms < self.future_from_ms or message.reason is not None:
            return message
        return message._replace(values=(), reason="future_time")


def _draw(number: int, seed: int) -> int:
    """64 bits that look random, the same for the same numbers (splitmix64)."""
    state = (number + seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)


def _share(draw: int, place: int) -> float:
    """The `place`-th of four numbers in [0, 1) that a draw has."""
    return ((draw >> (12 * place)) & 0xFFF) / 4096


def _tcu(draw: int, time_ms: int, is_bad: bool, receipt_ms: int) -> Message:
    vehicle = f"T{draw % VEHICLES:03d}"
    wire = ("odometer", "soc", "speed")[(draw >> 20) % 3]
    value = float((draw >> 24) % 10_000) / 100
    told, event_time, reason, length = f"{value}", f"{iso(time_ms)}Z", None, None
    if is_bad:
        kind = (draw >> 40) % 3
        told = '"fast"' if kind == 0 else told
        event_time = "yesterday" if kind == 1 else event_time
        length = -7 if kind == 2 else None
        reason = ("bad_type", "bad_time", "malformed_json")[kind]
    payload = (
        f'{{"did":"{vehicle}","timestamp":"{time_ms}","name":"{wire}","value_type":"0","float_value":{told},'
        f'"string_value":"","int_value":"0","eventTime":"{event_time}",'
        f'"receivedTime":"{iso(time_ms + receipt_ms)}Z"}}'
    )
    values = () if reason else (Value(wire, min(time_ms, time_ms + receipt_ms) * 1000, value),)
    return Message(TCU, vehicle.encode(), payload[:length].encode(), vehicle, values, reason)


def _car(draw: int, time_ms: int, is_bad: bool, _: int) -> Message:
    vehicle = f"C{draw % VEHICLES:03d}"
    speed, rpm = float((draw >> 20) % 2_000) / 10, float((draw >> 24) % 6_000)
    heat, fuel = 60.0 + (draw >> 28) % 50, 10.0 + (draw >> 32) % 90
    latitude, longitude = 52.0 + ((draw >> 36) % 1_000) / 1_000, 13.0 + ((draw >> 40) % 1_000) / 1_000
    told, revolutions, reason = f"{speed}", f"{rpm}", None
    if is_bad and draw & 1 << 60:
        told, reason = "900.0", "out_of_range"
    elif is_bad:
        revolutions, reason = '"high"', "bad_type"
    payload = (
        f'{{"car_id":"{vehicle}","timestamp":"{iso(time_ms)}000+00:00","speed":{told},"rpm":{revolutions},'
        f'"engine_temp":{heat},"fuel_level":{fuel},"latitude":{latitude},"longitude":{longitude}}}'
    )
    time_us = time_ms * 1000
    values = (
        ()
        if reason
        else (
            Value("speed", time_us, speed),
            Value("engine_rpm", time_us, rpm),
            Value("coolant_temperature", time_us, heat),
            Value("fuel_level", time_us, fuel),
            Value("latitude", time_us, latitude),
            Value("longitude", time_us, longitude),
        )
    )
    return Message(CAR, vehicle.encode(), payload.encode(), vehicle, values, reason)


def _pressure(draw: int, time_ms: int, is_bad: bool, _: int) -> Message:
    vehicle = f"P{draw % VEHICLES:03d}"
    sensor = f"{vehicle}-{(draw >> 20) % 20:02d}"
    pressure, temperature = float(800_000 + (draw >> 24) % 200_000), float((draw >> 44) % 16) + 15.5
    named = "" if is_bad else f'"sensorId":"{sensor}",'
    payload = (
        f'{{"timestamp":"{iso(time_ms).replace("T", " ")}Z","pressure":{pressure},'
        f'"temperature":{temperature},{named}"vehicleId":"{vehicle}"}}'
    )
    time_us = time_ms * 1000
    values = (
        ()
        if is_bad
        else (
            Value("pressure", time_us, pressure),
            Value("temperature", time_us, temperature),
        )
    )
    reason = "missing_field" if is_bad else None
    return Message(PRESSURE, sensor.encode(), payload.encode(), vehicle, values, reason)


MAKERS: dict[str, Callable[[int, int, bool, int], Message]] = {
    "tcu": _tcu,
    "car": _car,
    "pressure": _pressure,
    "new name long": storms.new_name_long,
    "new names wide": storms.new_names_wide,
    "large": storms.large,
}
