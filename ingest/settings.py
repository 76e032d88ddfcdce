"""Limits and periods of the sinks. Every bound on memory and delay stands here, with its reason."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class IngestSettings(BaseModel):
    """Settings of the three sinks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: Literal["earliest", "latest"] | str = Field(
        "earliest", description="where a source that was never read begins: earliest, latest, or an ISO time"
    )
    commit_seconds: float = Field(
        5.0, gt=0, allow_inf_nan=False, description="age at which the history buffer is committed"
    )
    commit_rows: int = Field(500_000, gt=0, description="rows at which it is committed: few, large files")
    commit_bytes: int = Field(
        128 * 1024 * 1024,
        gt=0,
        description="bytes of payloads, keys and headers at which it is committed; two such buffers fit in "
        "memory",
    )
    state_flush_ms: int = Field(
        50, ge=0, le=100, description="longest wait before the state is written; at most 100"
    )
    transaction_seconds: float = Field(
        0.2, gt=0, allow_inf_nan=False, description="longest open routes transaction: delay of dead letters"
    )
    transaction_rows: int = Field(50_000, gt=0, description="messages per routes transaction, at most")
    buffer_bytes: int = Field(
        48 * 1024 * 1024,
        gt=0,
        description="memory of rows between reading and writing, at most: payloads, keys, headers, columns, "
        "and about 200 bytes a row and header",
    )
    store_patience_seconds: float = Field(
        600.0,
        gt=0,
        allow_inf_nan=False,
        description="how long a store may be away before the process gives up and is restarted",
    )
    revoke_seconds: float = Field(
        30.0,
        ge=0,
        allow_inf_nan=False,
        description="how long giving up partitions may wait for a commit; the next owner reads the rest",
    )
    metrics_port: int | None = Field(
        None, ge=0, le=65_535, description="Prometheus port of this process; 0 picks a free one"
    )
    metrics_host: str = Field("127.0.0.1", description="address the metrics are served at")
    runtime_dir: Path | None = Field(
        None, description="folder for slot leases; default <data-dir>/run. One per machine"
    )
    slot: int | None = Field(
        None,
        ge=0,
        description="number of this process among its sink's (a StatefulSet's ordinal); default: "
        "lowest free on this machine",
    )
    shutdown_seconds: float = Field(
        10.0, gt=0, allow_inf_nan=False, description="a stop finishes the batch and commits within this"
    )
