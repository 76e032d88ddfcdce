"""Limits and periods of the HTTP gateway: what one request may cost, and what all of them may."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class GatewaySettings(BaseModel):
    """Settings of one gateway process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", min_length=1, description="address it listens at")
    port: int = Field(8080, ge=0, le=65_535, description="port it listens at; 0 picks a free one")
    max_events: int = Field(5_000, ge=1, le=100_000, description="events in one request, at most")
    max_unpacked_bytes: int = Field(
        8 * 1024 * 1024,
        ge=1024,
        le=256 * 1024 * 1024,
        description="bytes that a body may have, and that a packed one may unpack to, at most",
    )
    in_flight_events: int = Field(
        20_000,
        ge=1,
        le=100_000,
        description="events that wait for Kafka's acknowledgement, at most: more are answered 429",
    )
    in_flight_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1024,
        le=96 * 1024 * 1024,
        description="bytes of those events, at most, and of large requests that are still to be read: "
        "the Kafka client's own queue has 128 MiB",
    )
    acknowledge_seconds: float = Field(
        10.0,
        ge=1,
        le=300,
        allow_inf_nan=False,
        description="how long Kafka's acknowledgement is waited for before a request is answered 503",
    )
    key_hours: float = Field(
        24.0, gt=0, le=720, allow_inf_nan=False, description="how long an Idempotency-Key is remembered"
    )
    group_ms: int = Field(
        3,
        ge=0,
        le=1_000,
        description="how long a request with a key waits for others to share its transaction",
    )
    takeover_seconds: float = Field(
        60.0,
        ge=1,
        allow_inf_nan=False,
        description="age at which a request with a key that was left unanswered by a gateway on another "
        "machine is taken over",
    )

    @model_validator(mode="after")
    def _one_request_fits(self) -> Self:
        if self.max_events > self.in_flight_events or self.max_unpacked_bytes > self.in_flight_bytes:
            msg = "in_flight_events and in_flight_bytes must have room for the largest request"
            raise ValueError(msg)
        return self
