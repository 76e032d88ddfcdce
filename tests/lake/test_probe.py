"""Doctor's question to the lake: does it take an object and give it back?"""

from pathlib import Path

import pytest

from lake.errors import AccessDenied, BadLocation
from lake.probe import check_usable
from lake.settings import LakeSettings
from lake.storage import storage, wait_ready


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
