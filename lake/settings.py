"""How to reach the stores: the lake's folder or bucket, and MongoDB; and what computes tables from others.
Frozen, read once at the entry."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

SIZE = r"(?i)^\d{1,6}(\.\d+)? ?[KMGT]i?B$"
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
    threads: int | None = Field(None, ge=1, le=1024, description="default: one per core")
    temp_dir: Path | None = Field(None, description="where to spill; default: the system's temporary folder")
    temp_limit: str = Field("50GiB", pattern=SIZE, description="most that a query may spill to disk")


class MaintenanceSettings(BaseModel):
    """When small files are made into large ones, and how long what they replace stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    small_files: int = Field(
        16, ge=1, description="small files that a partition may have: more of them are made into large ones"
    )
    file_mib: int = Field(
        128, ge=1, le=4096, description="size of a large file in MiB; what is less than half of it is small"
    )
    keep_hours: int = Field(
        24,
        ge=1,
        description="hours for which files that were replaced, or never committed, stay: longer than any "
        "query, audit or rebuild takes, and than a sink may wait for the store",
    )
    """Today's part of silver is written anew up to 48 times a day, and each copy stays for as long."""


class EngineKind(StrEnum):
    """What runs the SQL of the models."""

    DUCKDB = "duckdb"
    SPARK = "spark"


SPARK_JARS = Path(__file__).parents[1] / ".services" / "spark" / "lib"


class SparkSettings(BaseModel):
    """Where Spark runs, and what it may use. Of use with `engine: spark` only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    master: str = Field(
        "local[*]",
        min_length=1,
        description="in this process's own Java machine, or a cluster: spark://host:7077",
    )
    remote: str | None = Field(
        None, pattern=r"^sc://", description="a Spark Connect server, sc://host:15002, instead of a master"
    )
    jars: Path = Field(
        SPARK_JARS, description="folder with Delta's jars, from `make spark`; not for Spark Connect"
    )
    memory: str = Field(
        "2g", pattern=r"(?i)^\d+[kmgt]$", description="of the Java machine that this process starts"
    )
    conf: Mapping[str, str] = Field(
        default_factory=dict,
        description="any further Spark properties, as JSON; they win over Fleetlake's: "
        '`{"spark.executor.memory": "8g"}`',
    )


class LakeSettings(BaseModel):
    """Where the Delta tables live."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str = Field(".fleetlake/lake", description="a folder, or s3://bucket/prefix")
    s3: S3Settings = S3Settings()
    engine: EngineKind = Field(
        EngineKind.DUCKDB, description="what makes silver and the marts: duckdb, or spark (docs/spark.md)"
    )
    query: QuerySettings = QuerySettings()
    spark: SparkSettings = SparkSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    ready_timeout_s: float = Field(
        60.0, gt=0, allow_inf_nan=False, description="how long a start waits for the store"
    )


class MongoSettings(BaseModel):
    """Where the state of every vehicle lives."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str = Field("mongodb://127.0.0.1:27017", description="address, with user and options")
    admin_uri: SecretStr | None = Field(
        None,
        description="address with a user who may begin a replica set and make users: only for `fleetlake "
        "init`, which makes those that the other address names; never logged",
    )
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
