"""How Dagster runs the transforms: its calendar, and how often it looks."""

from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class OrchestrationSettings(BaseModel):
    """Of the code location, its sensors and schedules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path | None = Field(
        None, description="folder of Dagster's instance; default: dagster in the data folder"
    )
    in_stack: bool = Field(True, description="whether `fleetlake up` starts its webserver and daemon")
    first_day: date = Field(
        date(2010, 1, 1), description="days before it are no partitions: what is dated earlier fails a check"
    )
    look_every_s: int = Field(15, ge=1, description="seconds between two looks of a sensor at the lake")
    silver_every_s: int = Field(
        60, ge=1, description="least seconds between two increments of silver: a run costs some of CPU"
    )
    late_every_s: int = Field(
        600, ge=1, description="least seconds between two increments that read old days as well"
    )
    today_every_s: int = Field(300, ge=1, description="least seconds between two builds of today")
    quiet_s: int = Field(
        120, ge=0, description="seconds for which a past day must have got nothing before it is built again"
    )
