"""Doctor's question to the lake: does it take an object and give it back?"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lake.errors import AccessDenied, BadLocation, ConditionalPutUnknown, StoreUnavailable
from lake.probe import check_usable
from lake.settings import LakeSettings, S3Settings
from lake.storage import storage, wait_ready
from lake.tables import exists
from tests.faults.proxy import Faults
from tests.faults.s3 import FaultyLake, faulty


@pytest.mark.local_lake
def test_a_folder_is_left_as_it_was(lake_settings: LakeSettings) -> None:
    """Nothing remains of the probe; a missing folder is not created."""
    check_usable(storage(lake_settings))
    assert not Path(lake_settings.uri).exists()
    store = wait_ready(lake_settings)
    check_usable(store)
    assert list(Path(lake_settings.uri).iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    """A lake cannot live below a file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(BadLocation, match="is not a folder"):
        check_usable(storage(LakeSettings(uri=str(tmp_path / "file" / "lake"))))


def test_a_bucket_is_left_as_it_was(s3_lake_settings: LakeSettings) -> None:
    """Nothing remains of the probe."""
    store = wait_ready(s3_lake_settings)
    check_usable(store)
    assert store.client().list_objects_v2(Bucket=store.locations.bucket)["KeyCount"] == 0


def test_a_missing_bucket_is_named_and_not_created(s3_lake_settings: LakeSettings) -> None:
    """Creating it is the sink's business."""
    store = storage(s3_lake_settings)
    for _ in range(2):
        with pytest.raises((BadLocation, AccessDenied), match=store.locations.bucket):
            check_usable(store)


@pytest.fixture
def lake(s3_endpoint: str) -> Iterator[FaultyLake]:
    """On a server that minds no signature, so that headers can be taken from its requests."""
    s3 = S3Settings(endpoint_url=s3_endpoint, access_key_id="test", secret_access_key="test")  # noqa: S106
    direct = LakeSettings(uri="s3://lake-to-probe/fleet", s3=s3, ready_timeout_s=0.1)
    wait_ready(direct)
    with faulty(direct) as made:
        yield made


def test_a_store_that_ignores_the_condition_of_a_put_is_refused(lake: FaultyLake) -> None:
    """By doctor, and before anybody writes a table; nothing remains of the probe. Readers may go on."""
    lake.proxy.set(Faults(forget="if-none-match"))
    for check in (lambda: check_usable(storage(lake.settings)), lambda: wait_ready(lake.settings)):
        with pytest.raises(ConditionalPutUnknown, match="If-None-Match"):
            check()
    wait_ready(lake.settings, writes=False)
    assert lake.proxy.counts.forgotten == 2
    store = storage(lake.direct)
    assert store.client().list_objects_v2(Bucket=store.locations.bucket)["KeyCount"] == 0
    lake.proxy.heal()
    assert wait_ready(lake.settings)


def test_a_store_that_fails_meanwhile_is_no_store_without_conditions(lake: FaultyLake) -> None:
    """The same call may succeed later."""
    lake.proxy.set(Faults(fail_share=1.0, matching="^PUT .*probe"))
    with pytest.raises(StoreUnavailable):
        wait_ready(lake.settings)


def test_who_only_reads_makes_no_folder(tmp_path: Path) -> None:
    """A mistyped address stays without one: it has no tables."""
    settings = LakeSettings(uri=str(tmp_path / "lake"))
    store = wait_ready(settings, writes=False)
    assert not exists(store, "bronze.events")
    assert not (tmp_path / "lake").exists()
    wait_ready(settings)
    assert (tmp_path / "lake").is_dir()
