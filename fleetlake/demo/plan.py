"""What the demo sends, and what is known beforehand about the answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

SHIPPED = Path(str(files("simulate") / "data"))

USE_CASES = {
    "use case 1": (SHIPPED / "tcu" / "use_case_1.jsonl", SHIPPED / "tcu" / "use_case_1.expected.json"),
    "use case 2": (SHIPPED / "tcu" / "use_case_2.jsonl", SHIPPED / "tcu" / "use_case_2.expected.json"),
}
USE_CASE_VEHICLE = "981"
USE_CASE_SOURCE = "tcu"

FIVE_SYSTEMS = ("tcu", "car", "environment", "pressure", "sensor")


@dataclass(frozen=True, slots=True)
class Drive:
    """One recorded drive: the vehicle is named after its file, `soc` is its last state of charge,
    `distance_km` what its speeds add up to."""

    vehicle: str
    soc: float
    distance_km: float

    @property
    def file(self) -> Path:
        return SHIPPED / "twizy" / f"{self.vehicle}.csv.gz"


DRIVES = (
    Drive("T1_03_29_2021", 15.0, 49.63),
    Drive("T2_03_30_2021", 24.5, 52.65),
    Drive("T3_05_31_2021", 23.36, 15.70),
    Drive("T3_06_07_2021", 47.36, 19.72),
)


@dataclass(frozen=True, slots=True)
class Traffic:
    """The simulated part."""

    seconds: float = 20.0
    rate: float = 1000.0
    vehicles: int = 20
    sensors: int = 50
    invalid: float = 0.03

    @property
    def count(self) -> int:
        return int(self.rate * self.seconds)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a run that sent `sent` messages must add to the lake, by source and by reason of rejection."""

    sent: Mapping[str, int]
    rejected: Mapping[str, int]
    maxima: Mapping[str, float]
    """Greatest pressure sent in this run, per vehicle."""
