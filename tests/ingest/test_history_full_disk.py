"""The disk of a local lake has no room: history says so by name, ends by name where that lasts, and lands
everything once when there is room."""

import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyarrow.fs import LocalFileSystem

from broker.settings import KafkaSettings
from lake.bronze_file import BronzeFile
from lake.errors import StoreFull
from lake.settings import LakeSettings
from tests.ingest.odometer_fleet import QUICK, Fleet, make_fleet, message

IMPATIENT = QUICK.model_copy(update={"store_patience_seconds": 0.5, "revoke_seconds": 60.0})
MESSAGES = 30


class FullDisk:
    """Takes every file and no byte of it."""

    def open_output_stream(self, path: str) -> Any:
        del path
        return LocalFileSystem().open_output_stream("/dev/full")

    def delete_file(self, path: str) -> None:
        raise FileNotFoundError(path)


@pytest.fixture
def fleet(kafka_settings: KafkaSettings, topic_name: str, tmp_path: Path) -> Fleet:
    """Three partitions, and a lake in a folder."""
    return make_fleet(kafka_settings, LakeSettings(uri=str(tmp_path / "lake")), topic_name, tmp_path)


def filling_up(monkeypatch: pytest.MonkeyPatch, times: float) -> None:
    """The next files find no room."""
    left = [times]

    def new_file(filesystem: Any, folder: str | None, ingest_date: date) -> BronzeFile:
        left[0] -= 1
        return BronzeFile(FullDisk() if left[0] >= 0 else filesystem, folder, ingest_date)

    monkeypatch.setattr("lake.bronze.BronzeFile", new_file)


def test_history_goes_on_by_itself_when_there_is_room(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What found none is read again."""
    fleet.send(MESSAGES)
    filling_up(monkeypatch, 2)
    fleet.land()
    assert fleet.payloads() == sorted(message(number) for number in range(MESSAGES))
    assert capsys.readouterr().out.count("store_full") == 2


def test_a_disk_that_stays_full_ends_history_by_name_and_at_once(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not wait for a last commit that nobody can make; a restart lands everything."""
    fleet.send(MESSAGES)
    filling_up(monkeypatch, float("inf"))
    began = time.monotonic()
    with pytest.raises(StoreFull, match="make room") as caught:
        fleet.land(IMPATIENT)
    assert time.monotonic() - began < IMPATIENT.revoke_seconds
    assert caught.value.folder.startswith(fleet.lake.uri)
    monkeypatch.undo()
    fleet.land()
    assert fleet.payloads() == sorted(message(number) for number in range(MESSAGES))
