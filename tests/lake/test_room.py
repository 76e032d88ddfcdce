"""A full disk is told from every other failure of a local lake, whoever met it."""

import errno
import os
from pathlib import Path

import pytest

import lake.room
from lake.bronze import Bronze, store_errors
from lake.errors import StoreFull, StoreUnavailable
from lake.room import naming_a_full_disk
from lake.settings import LakeSettings
from lake.storage import storage, wait_ready


def test_the_kernels_word_that_there_is_no_room_names_the_folder(tmp_path: Path) -> None:
    """And what to do."""
    with (
        pytest.raises(StoreFull, match=f"{tmp_path} is full .* make room"),
        naming_a_full_disk(str(tmp_path)),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_another_failure_of_the_disk_stays_what_it_is(tmp_path: Path, number: int) -> None:
    """Making room would not help."""
    with pytest.raises(OSError, match=os.strerror(number)), naming_a_full_disk(str(tmp_path)):
        raise OSError(number, os.strerror(number))


def test_a_store_on_the_network_has_no_disk_of_ours(tmp_path: Path) -> None:
    """Whatever the library says."""
    with pytest.raises(OSError, match="No space"), naming_a_full_disk(None):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    s3 = storage(LakeSettings(uri="s3://bucket"))
    with pytest.raises(StoreUnavailable), store_errors(s3):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_commit_that_fails_where_nothing_is_free_failed_for_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """delta-rs gives its failures no number: the disk is asked."""
    bronze = Bronze(wait_ready(LakeSettings(uri=str(tmp_path / "lake"))))
    log = tmp_path / "lake" / "bronze" / "events" / "_delta_log"
    log.rename(log.with_name("away"))
    log.write_text("in the way of every commit")
    with pytest.raises(Exception, match=r"^(?!.*is full)"):
        bronze.commit([], {})
    monkeypatch.setattr(lake.room, "free_bytes", lambda folder: 1_000)
    with pytest.raises(StoreFull):
        bronze.commit([], {})
