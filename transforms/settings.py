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

    charge_silence_s: float = Field(
        default=3600,
        gt=0,
        description="seconds without any message after which no charge state holds",
    )
    """A vehicle that charges sleeps, and wakes up to report every half hour or so."""

    charge_pause_s: float = Field(
        default=600, ge=0, description="seconds without charging that do not split a session"
    )
    """Chargers and cars negotiate anew, and a charger that shares its power waits for its turn."""

    charge_step_s: float = Field(
        default=1800, ge=0, description="seconds that a charger may take for one step of the SoC that is sent"
    )
    """2.3 kW into 100 kWh take 26 minutes for a whole percent."""

    charge_fastest_soc_per_min: float = Field(
        default=15, gt=0, description="points of SoC a minute above which no charger is"
    )
    """Twice what the fastest cars of 2025 took; what rises faster was measured wrong."""

    charge_least_soc: float = Field(
        default=1,
        gt=0,
        description="points of SoC that must rise to be a session, of a vehicle that says no more",
    )
    """SoC that is only estimated drifts by less while a car stands."""

    charge_least_s: float = Field(
        default=300, ge=0, description="seconds in which it must rise, of a vehicle that says no more"
    )
    """A battery that rests after a drive corrects its estimate within a few minutes."""

    parked_least_s: float = Field(
        default=21600, gt=0, description="seconds of standing from which what was lost is worth a row"
    )
    """In less, the step of the SoC that is sent is larger than what is lost."""

    battery_least_soc: float = Field(
        default=20, gt=0, description="points of SoC that a session must add to tell the battery's capacity"
    )
    """SoC in whole percents is wrong by up to one point at either end: a tenth of this."""

    def parameters(self) -> dict[str, Any]:
        """By the names that models use."""
        return self.model_dump()
