"""Addresses, credentials and readiness of the lake's store."""

from pathlib import Path

import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError
from pydantic import SecretStr

from lake.errors import AccessDenied, BadLocation, StoreUnavailable
from lake.locations import locations
from lake.schemas import BRONZE_EVENTS, TABLES
from lake.settings import LakeSettings, S3Settings
from lake.storage import storage, wait_ready
from lake.tables import exists


def test_a_local_lake_stays_where_it_is_when_the_working_directory_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative address is made absolute at the start."""
    monkeypatch.chdir(tmp_path)
    here = locations(LakeSettings(uri="lake"))
    monkeypatch.chdir("/")
    assert here.table("bronze.events") == str(tmp_path / "lake" / "bronze" / "events")


@pytest.mark.parametrize(
    ("uri", "table"),
    [
        ("s3://bucket", "s3://bucket/bronze/events"),
        ("s3://bucket/", "s3://bucket/bronze/events"),
        ("s3a://bucket/a/b/", "s3://bucket/a/b/bronze/events"),
        ("file:///data/lake", "/data/lake/bronze/events"),
    ],
)
def test_every_spelling_of_an_address_gives_one(uri: str, table: str) -> None:
    """Slashes at the end and Hadoop's scheme make no other table."""
    assert locations(LakeSettings(uri=uri)).table("bronze.events") == table


@pytest.mark.parametrize("uri", ["", "s3://", "gs://bucket/x", "http://host/x", "/data/100%", "/data/[1]"])
def test_an_address_that_cannot_work_is_refused(uri: str) -> None:
    """Before anything is written somewhere else."""
    with pytest.raises(BadLocation):
        locations(LakeSettings(uri=uri))


def test_a_missing_bucket_is_created_once(s3_lake_settings: LakeSettings) -> None:
    """Readiness is idempotent, and needs no console."""
    store = wait_ready(s3_lake_settings)
    wait_ready(s3_lake_settings)
    assert store.client().head_bucket(Bucket=store.locations.bucket)
    assert not exists(store, "bronze.events")


def test_two_writers_on_s3_cannot_both_make_one_version(s3_lake_settings: LakeSettings) -> None:
    """The conditional put and the application transaction refuse the handle that is behind."""
    store = wait_ready(s3_lake_settings)
    uri, options = store.table("bronze.events"), store.options()
    DeltaTable.create(uri, BRONZE_EVENTS.columns, partition_by=["ingest_date"], storage_options=options)
    assert exists(store, "bronze.events")
    first, second = (DeltaTable(uri, storage_options=options) for _ in range(2))
    mark = CommitProperties(app_transactions=[Transaction("topic/0", 7)])
    rows = BRONZE_EVENTS.columns.empty_table()
    write_deltalake(first, rows, mode="append", commit_properties=mark)
    with pytest.raises(CommitFailedError):
        write_deltalake(second, rows, mode="append", commit_properties=mark)


def test_a_store_that_is_away_is_named_within_the_deadline() -> None:
    """One readable error with the address, after the time that was asked for."""
    s3 = S3Settings(endpoint_url="http://127.0.0.1:1", access_key_id="k", secret_access_key="s")  # noqa: S106
    ticks = iter(range(100))
    naps: list[float] = []
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1"):
        wait_ready(
            LakeSettings(uri="s3://bucket/x", s3=s3, ready_timeout_s=3),
            clock=lambda: float(next(ticks)),
            sleep=naps.append,
        )
    assert len(naps) == 2


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """No waiting for what will not come."""
    (tmp_path / "file").write_text("")
    with pytest.raises(AccessDenied, match="file"):
        wait_ready(LakeSettings(uri=str(tmp_path / "file" / "lake")))


def test_the_secret_is_shown_by_no_setting_and_given_to_every_client() -> None:
    """One object holds it; delta-rs and DuckDB get the same."""
    hidden = "it's"
    s3 = S3Settings(
        endpoint_url="https://minio:9000", access_key_id="key", secret_access_key=SecretStr(hidden)
    )
    settings = LakeSettings(uri="s3://bucket/x", s3=s3)
    store = storage(settings)
    assert hidden not in repr(settings)
    assert store.options()["aws_secret_access_key"] == hidden
    assert store.options()["aws_allow_http"] == "false"
    assert "'it''s'" in (store.duckdb_secret() or "")
    assert storage(LakeSettings(uri="/data")).duckdb_secret() is None


def test_table_names_match_their_schemas() -> None:
    """Every table that code writes has an address, and is partitioned by a column of its own."""
    place = locations(LakeSettings(uri="/data"))
    for name, table in TABLES.items():
        assert place.table(name).startswith("/data/")
        assert set(table.partition_by) <= set(table.columns.names)
