"""Limits and periods of alerts: how rules are judged, and how patient webhooks are told."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class AlertSettings(BaseModel):
    """Settings of the alerts process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: Path | None = Field(
        None, description="YAML file of the rules; see `infra/alerts/rules.example.yml`"
    )
    start: Literal["latest", "earliest"] = Field(
        "latest",
        description="where rules begin to read a partition for the first time: `earliest` judges what Kafka "
        "still has, and tells webhooks of it",
    )
    flush_ms: int = Field(
        100, ge=0, le=10_000, description="longest wait before what was read is judged: it is delay"
    )
    tick_seconds: float = Field(
        1.0,
        gt=0,
        le=3600,
        description="how often silence is looked at: vehicles that are missing, readings that wait",
    )
    keep_days: int = Field(
        90,
        ge=1,
        description="days for which alerts that are over, and what became of their deliveries, are kept",
    )
    webhook_secrets: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="secret by which what goes to a webhook is signed, as JSON by its name: "
        '`{"operations": "..."}`; never logged',
    )
    webhook_timeout_seconds: float = Field(
        10.0, gt=0, le=300, description="for one try as a whole, from the look-up of the name to the answer"
    )
    webhook_pause_seconds: float = Field(
        1.0, gt=0, allow_inf_nan=False, description="before the second try; doubled with every further one"
    )
    webhook_longest_pause_seconds: float = Field(
        300.0,
        gt=0,
        allow_inf_nan=False,
        description="longest of these pauses; `Retry-After` may ask for an hour",
    )
    webhook_tries: int = Field(200, ge=1, description="tries after which a delivery is given up")
    webhook_hours: float = Field(
        24.0, gt=0, allow_inf_nan=False, description="hours after which it is given up, however few tries"
    )
