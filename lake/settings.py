"""How to reach the stores: the lake's folder or bucket, and MongoDB. Frozen, read once at the entry."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

SIZE = r"(?i)^\d+(\.\d+)? ?([KMGT]i?)?B$"
"""What DuckDB reads as a size: 512MB, 1.5 GiB."""

DATABASE = r"^[^/\\. \"$*<>:|?\x00]{1,63}$"
"""What MongoDB takes as the name of a database."""


class S3Settings(BaseModel):
    """One S3 credential for every client that opens the lake: delta-rs, DuckDB and boto3."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint_url: str | None = Field(None, description="MinIO or another S3; default: AWS itself")
    region: str = Field("us-east-1", description="region of the bucket")
    access_key_id: str | None = Field(None, description="default: what AWS's credential chain finds")
    secret_access_key: SecretStr | None = Field(None, description="its secret; never logged")
    session_token: SecretStr | None = Field(None, description="of temporary credentials")
    path_style: bool = Field(True, description="MinIO and most S3 servers want bucket names in the path")
    request_timeout_s: float = Field(
        60.0, gt=0, allow_inf_nan=False, description="a store slower than this counts as away"
    )


class QuerySettings(BaseModel):
    """What one DuckDB connection may use. What does not fit in memory goes to a temporary folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory_limit: str = Field(
        "1GiB", pattern=SIZE, description="of DuckDB's own buffers; one query beside the sinks fits"
    )
    threads: int | None = Field(None, ge=1, description="default: one per core")
    temp_dir: Path | None = Field(None, description="where to spill; default: the system's temporary folder")
    temp_limit: str = Field("50GiB", pattern=SIZE, description="most that a query may spill to disk")


class LakeSettings(BaseModel):
    """Where the Delta tables live."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str = Field(".fleetlake/lake", description="a folder, or s3://bucket/prefix")
    s3: S3Settings = S3Settings()
    query: QuerySettings = QuerySettings()
    ready_timeout_s: float = Field(
        60.0, gt=0, allow_inf_nan=False, description="how long a start waits for the store"
    )


class MongoSettings(BaseModel):
    """Where the state of every vehicle lives."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str = Field("mongodb://127.0.0.1:27017", description="address, with user and options")
    database: str = Field("fleetlake", pattern=DATABASE, description="database of the state")
    timeout_s: float = Field(
        10.0,
        gt=0,
        allow_inf_nan=False,
        description="a server that does not answer for this long counts as away",
    )
    ready_timeout_s: float = Field(
        60.0, gt=0, allow_inf_nan=False, description="how long a start waits for the server"
    )
