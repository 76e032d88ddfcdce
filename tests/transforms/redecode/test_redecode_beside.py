"""What others do while silver is derived again, and kills: each day is as it was or as it shall be, and
nothing that came meanwhile is lost."""

from datetime import timedelta
from pathlib import Path

import pytest

from contracts.registry import Registry
from lake.silver import Extent, SilverMoved, decodings
from lake.storage import wait_ready
from tests.transforms.payload_lake import PayloadLake, contracts, message
from tests.transforms.redecode.calls import BEFORE, DAY, again, meanwhile, speeds
from tests.transforms.small_lake import NOON, SIGNALS
from transforms.redecode import DecodedOtherwise, Redecode


def test_what_is_landed_and_added_meanwhile_stays(
    lake: PayloadLake, wrong: Registry, right: Registry
) -> None:
    """The increment is first, and the day is made again; its readings are by the corrected contract."""
    lake.land(wrong, message(10))
    lake.increment(wrong)

    def act() -> None:
        lake.land(wrong, message(20, minute=1))
        assert lake.increment(right) == [1, 0]

    assert [each.changed for each in meanwhile(lake, right, act).days] == [1]
    assert speeds(lake) == [16.093, 32.187]
    assert lake.increment(right) == [0, 0]


def test_a_copy_that_is_landed_meanwhile_brings_back_what_its_first_message_no_longer_says(
    lake: PayloadLake, wrong: Registry, tmp_path: Path
) -> None:
    """The replaced day lacks it until the lanes have read again what was landed since."""
    lake.land(wrong, message(10, then="never"))
    lake.increment(wrong)
    corrected = contracts(tmp_path, time="then")
    copy = message(10, days_before=-1)

    def act() -> None:
        lake.land(wrong, copy | {"then": NOON.isoformat()}, at=NOON + timedelta(hours=20))
        assert lake.increment(corrected) == [0, 0], "silver has it, of the message before"

    meanwhile(lake, corrected, act)
    lake.increment(corrected)
    assert speeds(lake) == [10]


def test_one_that_is_killed_between_two_days_goes_on(
    lake: PayloadLake, wrong: Registry, right: Registry
) -> None:
    """The day that was done is whole, the other one as it was; meanwhile nothing old is added."""

    class Killed(Exception):
        pass

    lake.land(wrong, message(10, days_before=1), message(20))
    lake.increment(wrong)
    commits = iter([lambda: None])

    def kill() -> None:
        if next(commits, None) is None:
            raise Killed

    with pytest.raises(Killed):
        Redecode(lake.settings, SIGNALS, right, ("mine",), before_commit=kill).run()
    assert lake.silver("event_date, round(value, 3)") == [(BEFORE, 16.093), (DAY, 20)]
    lake.land(wrong, message(30, minute=1))
    lake.increment(right)
    assert [each.day for each in again(lake, right).days] == [DAY]
    assert speeds(lake) == [16.093, 32.187, 48.28]


def test_one_that_is_killed_behind_the_last_day_is_concluded(
    lake: PayloadLake, wrong: Registry, right: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though no day differs any more."""

    class Killed(Exception):
        pass

    def kill(*given: object) -> None:
        raise Killed

    lake.land(wrong, message(10))
    lake.increment(wrong)
    with monkeypatch.context() as killed:
        killed.setattr("transforms.redecode._conclude", kill)
        with pytest.raises(Killed):
            again(lake, right)
    assert {each.extent for each in decodings(wait_ready(lake.settings)).values()} == {Extent.UNDER_WAY}
    assert again(lake, right).days == []
    assert {each.extent for each in decodings(wait_ready(lake.settings)).values()} == {Extent.WHOLE}


def test_other_contracts_at_work_meanwhile_are_told(
    lake: PayloadLake, wrong: Registry, right: Registry
) -> None:
    """A Dagster that was not restarted; after it was, the same call goes on."""
    lake.land(wrong, message(10))
    lake.increment(wrong)

    def act() -> None:
        lake.land(wrong, message(20, minute=1))
        lake.increment(wrong)

    with pytest.raises(DecodedOtherwise, match="restart Dagster"):
        meanwhile(lake, right, act)
    assert speeds(lake) == [16.093, 20]
    again(lake, right)
    assert speeds(lake) == [16.093, 32.187]


def test_two_at_once_come_to_the_same(lake: PayloadLake, wrong: Registry, right: Registry) -> None:
    """The second one finds the days as they shall be."""
    lake.land(wrong, message(10), message(20, days_before=1))
    lake.increment(wrong)
    found = meanwhile(lake, right, lambda: again(lake, right))
    assert [each.changed for each in found.days] == []
    assert speeds(lake) == [16.093, 32.187]


def test_of_writers_that_are_always_first_the_error_says_so(
    lake: PayloadLake, wrong: Registry, right: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is half done."""
    monkeypatch.setattr("transforms.redecode.TRIES", 2)
    lake.land(wrong, message(10))
    lake.increment(wrong)

    def act() -> None:
        lake.land(right, message(20, minute=lake.sent))
        lake.increment(right)

    with pytest.raises(SilverMoved):
        Redecode(lake.settings, SIGNALS, right, ("mine",), before_commit=act).run()
    assert speeds(lake)[0] == 10
