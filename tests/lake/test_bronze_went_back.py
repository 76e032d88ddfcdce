"""A table that was restored from a copy under a running process."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lake.bronze import Bronze, BronzePartition
from lake.errors import StoreUnavailable, TableWentBack
from lake.settings import LakeSettings
from lake.storage import wait_ready

KEY = BronzePartition("id", 0)


@pytest.fixture
def bronze(tmp_path: Path) -> Bronze:
    """At version 3."""
    bronze = Bronze(wait_ready(LakeSettings(uri=str(tmp_path / "lake"))))
    for offset in (1, 2, 3):
        bronze.commit([], {KEY: offset})
        bronze.reload()
    return bronze


def log_of(bronze: Bronze) -> Path:
    return Path(bronze.storage.table("bronze.events"), "_delta_log")


def reads(bronze: Bronze) -> list[Callable[[], object]]:
    return [bronze.reload, bronze.reopen]


@pytest.mark.parametrize("read", [0, 1], ids=["reload", "reopen"])
def test_a_log_that_went_back_is_told_by_its_name(bronze: Bronze, read: int) -> None:
    """Waiting for the store would not help; a restart goes on at the older checkpoints."""
    (log_of(bronze) / f"{3:020d}.json").unlink()
    with pytest.raises(TableWentBack, match=r"version 3 was there.*ends at version 2") as raised:
        reads(bronze)[read]()
    assert (raised.value.held, raised.value.found) == (3, 2)
    assert Bronze(bronze.storage).checkpoints([KEY]) == {KEY: 2}


def test_a_table_that_is_gone_is_told_by_its_name(bronze: Bronze) -> None:
    """Its folder was removed."""
    shutil.rmtree(log_of(bronze).parent)
    with pytest.raises(TableWentBack, match="the table is gone"):
        bronze.checkpoints([KEY])


def test_a_log_that_went_back_takes_no_commit(bronze: Bronze) -> None:
    """It would leave a hole in the versions."""
    (log_of(bronze) / f"{3:020d}.json").unlink()
    with pytest.raises(Exception, match="version"):
        bronze.commit([], {KEY: 4})
    assert not (log_of(bronze) / f"{4:020d}.json").exists()


def test_a_store_that_does_not_answer_has_not_gone_back(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is known of it then."""

    def away(*args: object, **options: object) -> object:
        msg = "no answer"
        raise OSError(msg)

    monkeypatch.setattr("lake.bronze.DeltaTable", away)
    with pytest.raises(StoreUnavailable):
        bronze.reopen()
