"""Silver is what the payloads say by the contracts of now, whatever came in between."""

from datetime import timedelta
from pathlib import Path

import pytest

from contracts.registry import Registry
from lake.bronze_meaning import SilverOutdated
from lake.errors import TableMissing
from lake.snapshot import snapshot
from lake.storage import wait_ready
from tests.transforms.payload_lake import PayloadLake, contracts, message
from tests.transforms.redecode.calls import BEFORE, DAY, again, speeds
from tests.transforms.small_lake import NOON, SIGNALS
from transforms.redecode import NoMessages, Redecode


def test_readings_are_those_of_the_corrected_contract(
    lake: PayloadLake, wrong: Registry, right: Registry
) -> None:
    """Each day says what differs; another source's days, and bronze, are as they were."""
    lake.land(wrong, message(10), message(20, minute=1), message(30, days_before=1, vehicle="V2"))
    lake.land(wrong, {"vehicle_id": "E", "timestamp": NOON.isoformat(), "speed": 5}, name="environment")
    lake.increment(wrong)
    bronze = lake.rows("select signals, contract_hash from bronze.events order by all")
    found = again(lake, right)
    assert (found.messages, found.decoded_anew) == (4, 3)
    assert [(each.day, each.changed, each.added, each.removed, each.vehicles) for each in found.days] == [
        (BEFORE, 1, 0, 0, 1),
        (DAY, 2, 0, 0, 1),
    ]
    assert speeds(lake) == [5, 16.093, 32.187, 48.28]
    assert lake.rows("select signals, contract_hash from bronze.events order by all") == bronze


def test_once_is_enough(lake: PayloadLake, wrong: Registry, right: Registry) -> None:
    """The second time nothing differs, and silver has no new version."""
    lake.land(wrong, message(10))
    lake.increment(wrong)
    again(lake, right)
    before = snapshot(wait_ready(lake.settings), "silver.signals").version
    assert again(lake, right).days == []
    assert snapshot(wait_ready(lake.settings), "silver.signals").version == before


def test_a_dry_run_says_the_same_and_changes_nothing(
    lake: PayloadLake, wrong: Registry, right: Registry
) -> None:
    """Not even what silver records."""
    lake.land(wrong, message(10), message(20, days_before=3))
    lake.increment(wrong)
    before = snapshot(wait_ready(lake.settings), "silver.signals")
    told = again(lake, right, dry=True)
    assert snapshot(wait_ready(lake.settings), "silver.signals") == before
    assert again(lake, right).days == told.days
    assert len(told.days) == 2


def test_readings_move_to_the_day_that_the_corrected_contract_says(
    lake: PayloadLake, wrong: Registry, tmp_path: Path
) -> None:
    """Both days are replaced, and one has nothing left."""
    lake.land(wrong, message(10))
    lake.increment(wrong)
    found = again(lake, contracts(tmp_path, time="then"))
    assert [(each.day, each.before, each.after) for each in found.days] == [(BEFORE, 0, 1), (DAY, 1, 0)]
    assert lake.silver("event_date, value") == [(BEFORE, 10)]


def test_messages_that_were_rejected_count_and_others_no_longer_do(
    lake: PayloadLake, wrong: Registry, tmp_path: Path
) -> None:
    """Rejected whole for their time, which now is another field."""
    lake.land(wrong, message(10, at="never"), message(20, then="never"))
    lake.increment(wrong)
    assert speeds(lake) == [20]
    found = again(lake, contracts(tmp_path, time="then"))
    assert [(each.day, each.added, each.removed) for each in found.days] == [(BEFORE, 1, 0), (DAY, 0, 1)]
    assert speeds(lake) == [10]


def test_another_time_of_receipt_is_a_change(lake: PayloadLake, wrong: Registry, tmp_path: Path) -> None:
    """Though the readings are the same."""
    lake.land(wrong, message(10))
    lake.increment(wrong)
    found = again(lake, contracts(tmp_path, received="got_later"))
    assert [(each.changed, each.added, each.removed) for each in found.days] == [(1, 0, 0)]
    assert lake.silver("received_time") == [(NOON + timedelta(seconds=9),)]


def test_a_reading_that_two_messages_brought_stays_while_one_of_them_says_it(
    lake: PayloadLake, wrong: Registry, right: Registry, tmp_path: Path
) -> None:
    """The other one is of another source, whose contract was right."""
    both = contracts(tmp_path, "other")
    lake.land(wrong, message(10))
    lake.land(both, message(10), name="other")
    lake.increment(wrong)
    assert speeds(lake) == [10]
    assert [(each.added, each.removed) for each in again(lake, right).days] == [(1, 0)]
    assert speeds(lake) == [10, 16.093]


def test_days_can_be_chosen(lake: PayloadLake, wrong: Registry, right: Registry) -> None:
    """Others stay as they are, and bronze is not read whole before they are derived again, too."""
    lake.land(wrong, message(10, days_before=1), message(20))
    lake.increment(wrong)
    found = Redecode(lake.settings, SIGNALS, right, ("mine",), (DAY, DAY)).run()
    assert [each.day for each in found.days] == [DAY]
    assert speeds(lake) == [10, 32.187]
    lake.land(wrong, message(30, days_before=7))
    assert lake.increment(right) == [0, 1]
    assert speeds(lake) == [10, 32.187, 48.28]
    again(lake, right)
    assert speeds(lake) == [16.093, 32.187, 48.28]


def test_all_sources_from_scratch_give_what_increments_gave(lake: PayloadLake, wrong: Registry) -> None:
    """Whatever the order of arrival: nothing differs."""
    lake.land(wrong, message(10), message(20, days_before=30), message(10))
    lake.increment(wrong)
    lake.land(wrong, message(20, days_before=30), message(5, days_before=2), at=NOON + timedelta(days=3))
    lake.increment(wrong)
    lake.land(wrong, message(10, got_later="none"), at=NOON - timedelta(hours=1))
    lake.increment(wrong)
    assert lake.silver('"offset"')[0] == (1,), "landed first, and sent last"
    assert Redecode(lake.settings, SIGNALS, wrong).run().days == []


def test_what_cannot_be_derived_again_is_named(
    lake: PayloadLake, wrong: Registry, right: Registry, tmp_path: Path
) -> None:
    """No silver, no message, or another source whose contract changed after it was derived again."""
    lake.land(wrong, message(10))
    with pytest.raises(TableMissing):
        again(lake, right)
    lake.increment(wrong)
    with pytest.raises(NoMessages, match="no message of source tesla"):
        again(lake, right, "tesla")
    again(lake, right)
    lake.land(right, {"vehicle_id": "E", "timestamp": NOON.isoformat(), "speed": 5}, name="environment")
    lake.increment(wrong)
    with pytest.raises(SilverOutdated, match="--source environment --source mine"):
        again(lake, wrong, "environment")
