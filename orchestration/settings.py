"""How Dagster runs the transforms: its calendar, and how often it looks."""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _not_ahead(day: date) -> date:
    if day > datetime.now(UTC).date():
        msg = "lies in the future: no day would be made"
        raise ValueError(msg)
    return day


class OrchestrationSettings(BaseModel):
    """Of the code location, its sensors and schedules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path | None = Field(
        None, description="folder of Dagster's instance; default: dagster in the data folder"
    )
    in_stack: bool = Field(True, description="whether `fleetlake up` starts its webserver and daemon")
    first_day: Annotated[date, AfterValidator(_not_ahead)] = Field(
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
    tidy_every_min: int = Field(
        30,
        ge=5,
        le=60,
        description="minutes between two times at which small files of yesterday and today become large",
    )
    """Thirty increments of silver: from then on a vehicle's day takes several times as long to read."""

    maintenance_at: time = Field(
        time(2, 0), description="when all tables are maintained, in UTC: yesterday is complete by then"
    )
    warehouse_at: time = Field(
        time(3, 30),
        description="when the warehouse is published, in UTC: yesterday's marts are built by then",
    )
    audit_at: time = Field(
        time(4, 30),
        description="when the audit runs, in UTC: nothing else does then, and people come after it",
    )
    silent_after_s: int = Field(
        86_400, ge=1, description="seconds after which a source counts as silent: a fleet sleeps at night"
    )
    behind_after_s: int = Field(
        900, ge=1, description="seconds from Kafka to the lake that count as late: a restart takes minutes"
    )
    volume_least: float = Field(
        0.2, ge=0, description="part of a source's usual messages that a day has at least, weekends too"
    )
    volume_most: float = Field(
        5.0, gt=0, description="as many times the usual messages a day has at most, unless a backlog came"
    )
    offsets_days: int = Field(
        2, ge=1, le=6, description="days that the hourly check of offsets looks back; Delta's log has a week"
    )
    hourly_checks_minute: int = Field(
        17,
        ge=0,
        le=59,
        description="minute of the hour at which bronze is checked: not on it, when others run",
    )
    nightly_checks_at: time = Field(
        time(3, 20), description="time of the day, in UTC, of the checks that read a week or everything"
    )
