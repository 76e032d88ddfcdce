"""What the read API may cost, and how fresh it is. Every bound on time, memory and clients stands here,
with its reason."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class ServingSettings(BaseModel):
    """Settings of the read API."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="address that `fleetlake serve` listens at")
    port: int = Field(8000, ge=0, le=65_535, description="its port; 0 picks a free one")
    page_limit: int = Field(1000, ge=1, le=1000, description="rows of a page, at most")
    page_rows: int = Field(100, ge=1, le=1000, description="rows of a page where no limit is asked for")
    series_points: int = Field(
        10_000, ge=10, le=100_000, description="points of a series, at most; 1000 where no step is asked for"
    )
    window_days: int = Field(
        400, ge=1, le=4000, description="longest time that one question may be about, in days"
    )
    query_threads: int = Field(
        4, ge=1, le=64, description="questions to the lake that are answered at the same time"
    )
    query_waiting: int = Field(
        64, ge=0, description="questions that may wait for their turn; further ones are told to come back"
    )
    query_seconds: float = Field(
        20.0, gt=0, allow_inf_nan=False, description="longest time that a question to the lake may take"
    )
    snapshot_seconds: float = Field(
        2.0,
        ge=0,
        allow_inf_nan=False,
        description="how old the view of the lake may be that answers a question",
    )
    state_threads: int = Field(
        8, ge=1, le=64, description="questions to MongoDB that are answered at the same time"
    )
    fleet_seconds: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="how old the positions of the whole fleet may be: reading them is the dearest question "
        "to MongoDB",
    )
    fleet_vehicles: int = Field(
        200_000, ge=1, description="vehicles of one answer about the fleet, at most: about 250 bytes each"
    )
    stream_poll_ms: int = Field(
        250, ge=20, le=10_000, description="pause between two looks for changed states, while anybody listens"
    )
    stream_overlap_ms: int = Field(
        1000,
        ge=0,
        le=60_000,
        description="how much of the past each look covers again: clocks of the state sinks may differ by "
        "this, and a write may take as long",
    )
    stream_burst: int = Field(
        20_000,
        ge=1,
        description="changes of one look, at most; where there are more, clients are told to fetch anew",
    )
    stream_resume_seconds: float = Field(
        300.0,
        gt=0,
        allow_inf_nan=False,
        description="how old an event may be that a client goes on from; who comes later fetches anew",
    )
    stream_heartbeat_seconds: float = Field(
        15.0, gt=0, allow_inf_nan=False, description="a comment is sent after this long without a change"
    )
    stream_send_seconds: float = Field(
        20.0,
        gt=0,
        allow_inf_nan=False,
        description="a client that takes nothing for this long is disconnected",
    )
    max_stream_clients: int = Field(200, ge=1, description="clients of the stream in one process, at most")
    health_seconds: float = Field(
        5.0, ge=0, allow_inf_nan=False, description="how old the health of the pipeline may be"
    )
    health_lag: int = Field(
        100_000, ge=0, description="messages that a sink may be behind before the pipeline counts as degraded"
    )
    sql_enabled: bool = Field(False, description="whether `POST /sql` answers")
    sql_at_once: int = Field(2, ge=1, le=64, description="processes for SQL at the same time")
    sql_seconds: float = Field(
        20.0,
        gt=0,
        allow_inf_nan=False,
        description="longest time of one SQL question, with the 2 s that its process takes to begin",
    )
    sql_memory_mib: int = Field(
        1024,
        ge=128,
        description="memory of one SQL question, beside the 0.5 GiB that its process begins with",
    )
    sql_rows: int = Field(100_000, ge=1, description="rows of an answer to SQL, at most")
    sql_answer_mib: int = Field(64, ge=1, le=1024, description="size of an answer to SQL, at most")
    cursor_key: SecretStr | None = Field(
        None,
        description="seals the cursors of pages; default: a random one that is kept in the data folder. "
        "Processes behind one address need the same",
    )
