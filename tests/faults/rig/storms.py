"""Messages as a fleet in trouble sends them: names of signals that nobody has seen before, and messages as
large as the broker takes. Their truth is known as that of all others is."""

from functools import cache
from random import Random

from tests.faults.rig.message import PRESSURE, TCU, Message, Value, iso

STORM_VEHICLE = "N000"
NAMES_A_MESSAGE = 10
TOO_MANY_NAMES = 2_100
"""More than the 2,000 signals that one message may have."""

TOO_LONG_NAME = "n" * 200
"""More than the 128 characters that a name may have."""

LARGEST_GOOD_BYTES = 256 * 1024
"""What one message may have; larger ones are `too_large`, however good they are otherwise."""

TOPIC_BYTES = 1_048_588
"""Kafka's own limit of a batch (`max.message.bytes`), its headers included."""

LARGEST_BYTES = TOPIC_BYTES - 200


def new_name_long(draw: int, time_ms: int, is_bad: bool, _: int) -> Message:
    """One signal a message, each of a name of its own; a bad one's is too long."""
    name = TOO_LONG_NAME if is_bad else f"n{draw:016x}"
    payload = _fragment(STORM_VEHICLE, name, time_ms, "")
    reason = "too_large" if is_bad else None
    return Message(TCU, STORM_VEHICLE.encode(), payload.encode(), STORM_VEHICLE, (), reason)


def new_names_wide(draw: int, time_ms: int, is_bad: bool, _: int) -> Message:
    """Known signals among many of names of their own; a bad one has more of them than a message may have."""
    count = TOO_MANY_NAMES if is_bad else NAMES_A_MESSAGE
    names = ",".join(f'"n{draw:016x}-{number}":{number}.5' for number in range(count))
    pressure, temperature = float(800_000 + (draw >> 24) % 200_000), 20.5
    payload = (
        f'{{"timestamp":"{iso(time_ms).replace("T", " ")}Z","pressure":{pressure},'
        f'"temperature":{temperature},"sensorId":"{STORM_VEHICLE}-00","vehicleId":"{STORM_VEHICLE}",{names}}}'
    )
    time_us = time_ms * 1000
    known = (Value("pressure", time_us, pressure), Value("temperature", time_us, temperature))
    reason = "too_large" if is_bad else None
    return Message(
        PRESSURE,
        f"{STORM_VEHICLE}-00".encode(),
        payload.encode(),
        STORM_VEHICLE,
        () if is_bad else known,
        reason,
    )


def large(draw: int, time_ms: int, is_bad: bool, _: int) -> Message:
    """Messages up to the limit of what is read, and bad ones up to the broker's: of the one byte that is too
    much, of a mebibyte of good JSON, and of a mebibyte that is none."""
    vehicle = f"L{draw % 10:03d}"
    kind = (draw >> 40) % 3 if is_bad else 3
    size = (LARGEST_GOOD_BYTES + 1, LARGEST_BYTES, LARGEST_BYTES, LARGEST_GOOD_BYTES)[kind]
    empty = len(_fragment(vehicle, "speed", time_ms, ""))
    payload = _fragment(vehicle, "speed", time_ms, _noise(draw, size - empty))
    if kind == 2:
        payload = payload[:-2] + "  "
    values = () if is_bad else (Value("speed", time_ms * 1000, 12.5),)
    return Message(TCU, vehicle.encode(), payload.encode(), vehicle, values, "too_large" if is_bad else None)


def _fragment(vehicle: str, name: str, time_ms: int, text: str) -> str:
    return (
        f'{{"did":"{vehicle}","timestamp":"{time_ms}","name":"{name}","value_type":"0","float_value":12.5,'
        f'"string_value":"{text}","int_value":"0","eventTime":"{iso(time_ms)}Z",'
        f'"receivedTime":"{iso(time_ms + 875)}Z"}}'
    )


@cache
def _all_noise() -> str:
    return Random(1).randbytes(LARGEST_BYTES).hex()


def _noise(draw: int, length: int) -> str:
    """Text that no compression makes small."""
    begin = draw % (2 * LARGEST_BYTES - length)
    return _all_noise()[begin : begin + length]
