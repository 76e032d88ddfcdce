"""What marts mean by a trip, each number with its reason. A model names one as `$parameter` in its SQL."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class TransformSettings(BaseModel):
    """Thresholds and pauses of the models."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trip_silence_s: float = Field(
        default=900, gt=0, description="seconds without any message after which nothing that was said holds"
    )
    """Cars send something at least every few minutes while they are on; a garage or a tunnel is shorter."""

    trip_still_s: float = Field(
        default=300,
        gt=0,
        description="seconds of standing that end the trip of a vehicle known by speed only",
    )
    """Longer than a red light or a level crossing, shorter than an errand."""

    trip_still_switched_s: float = Field(
        default=900, gt=0, description="seconds of standing that end a trip although ignition or gear are on"
    )
    """A car that says when it is off may stand in a jam for long; one left in neutral is parked."""

    trip_lead_s: float = Field(
        default=300, ge=0, description="seconds before the first movement in which a switched-on car counts"
    )
    """Who switches on and loads the boot has not begun to drive."""

    trip_hold_s: float = Field(
        default=90, gt=0, description="seconds for which a speed holds beyond the last message before a gap"
    )
    """A reading a minute is the slowest that fleets send; a longer gap says nothing of the speed in it."""

    def parameters(self) -> dict[str, Any]:
        """By the names that models use."""
        return self.model_dump()
