"""What a message of a run is, with its truth, and the topics of the sources used. Nothing of the product's
own decoding or simulation is used here."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

TCU, CAR, PRESSURE = "telemetry_raw", "car.telemetry.v1", "sensor_pressure_stream"
TOPICS = {"tcu": TCU, "car": CAR, "pressure": PRESSURE}
DEAD_LETTERS = {TCU: f"{TCU}.dlq", CAR: "car.telemetry.dlq.v1", PRESSURE: f"{PRESSURE}.dlq"}
ANOMALIES = "car.telemetry.anomaly.v1"
MAXIMA = "vehicle_pressure_max"
OVERSPEED_KMH = 180.0


class Value(NamedTuple):
    """What a message says of one signal; `time_us` is the time that decides which is newest."""

    signal: str
    time_us: int
    value: float


class Message(NamedTuple):
    """A message and its truth: the values it carries, or the reason for which it must be rejected."""

    topic: str
    key: bytes
    payload: bytes
    vehicle: str
    values: tuple[Value, ...] = ()
    reason: str | None = None

    @property
    def is_overspeed(self) -> bool:
        return self.topic == CAR and any(
            value.signal == "speed" and value.value > OVERSPEED_KMH for value in self.values
        )


@lru_cache(maxsize=4096)
def _second(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def iso(time_ms: int) -> str:
    return f"{_second(time_ms // 1000)}.{time_ms % 1000:03d}"
