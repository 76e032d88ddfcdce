"""Silver is what the payloads say by the contracts of now, whatever came in between, and every day of a mart
that is made of other readings then is due."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from contracts.registry import Registry
from lake.bronze_meaning import SilverOutdated
from lake.errors import TableMissing
from lake.history_state import history_states
from lake.settings import LakeSettings
from lake.silver import Extent, Lane, SilverMoved, decodings
from lake.snapshot import snapshot
from lake.storage import wait_ready
from tests.transforms.payload_lake import PayloadLake, contracts, message
from tests.transforms.small_lake import NOON, SIGNALS
from transforms.build import Marts, build
from transforms.increment import increment
from transforms.load import load_models
from transforms.plan import plan
from transforms.redecode import DecodedOtherwise, NoMessages, Redecode, Redecoded
from transforms.reference import reference
from transforms.settings import TransformSettings

MODELS = load_models()
DAY = NOON.date()
BEFORE = DAY - timedelta(days=1)


@pytest.fixture
def lake(lake_settings: LakeSettings) -> PayloadLake:
    return PayloadLake(lake_settings)


@pytest.fixture
def wrong(tmp_path: Path) -> Registry:
    """Takes miles for kilometres."""
    return contracts(tmp_path, unit="km/h")


@pytest.fixture
def right(tmp_path: Path) -> Registry:
    """Corrected."""
    return contracts(tmp_path, unit="mph")


def again(lake: PayloadLake, registry: Registry, *sources: str, dry: bool = False) -> Redecoded:
    return Redecode(lake.settings, SIGNALS, registry, sources or ("mine",)).run(dry=dry)


def speeds(lake: PayloadLake) -> list[float]:
    return [round(value, 3) for (value,) in lake.silver("value")]


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


def test_whatever_reads_on_afterwards_goes_by_the_corrected_contract(
    lake: PayloadLake, wrong: Registry, right: Registry
) -> None:
    """A sink that still has the old one lands messages of both lanes; the change feed has a hole."""
    lake.land(wrong, message(10))
    lake.increment(wrong)
    again(lake, right)
    lake.land(wrong, message(20, minute=1), message(30, days_before=9))
    found = [increment(lake.settings, SIGNALS, lane, registry=right) for lane in Lane]
    assert [(each.added, each.is_whole) for each in found] == [(1, False), (1, False)]
    assert speeds(lake) == [16.093, 32.187, 48.28]
    lake.land(wrong, message(20, minute=1))
    lake.land(wrong, message(40, minute=2))
    lake.bronze.optimize.compact()
    lake.bronze.vacuum(0, dry_run=False, enforce_retention_duration=False)
    found = [increment(lake.settings, SIGNALS, lane, registry=right) for lane in Lane]
    assert [(each.added, each.is_whole) for each in found] == [(1, True), (0, True)]
    assert speeds(lake) == [16.093, 32.187, 48.28, 64.374]


def test_reading_whole_by_other_contracts_is_refused(
    lake: PayloadLake, wrong: Registry, right: Registry
) -> None:
    """It would bring the old readings back; the error names the source."""
    lake.land(wrong, message(10))
    lake.increment(wrong)
    again(lake, right)
    lake.land(right, message(20))
    lake.land(right, message(30))
    lake.bronze.optimize.compact()
    lake.bronze.vacuum(0, dry_run=False, enforce_retention_duration=False)
    with pytest.raises(SilverOutdated, match="readings of mine by other contracts"):
        lake.increment(wrong)
    assert speeds(lake) == [16.093]
    assert lake.increment(right) == [2, 0]


def test_a_process_with_old_contracts_takes_what_others_have_decoded(
    lake: PayloadLake, wrong: Registry, right: Registry
) -> None:
    """What only it has is the old reading, and known not to be the corrected one."""
    lake.land(wrong, message(10))
    lake.increment(wrong)
    again(lake, right)
    lake.land(right, message(20, minute=1))
    assert lake.increment(wrong) == [1, 0]
    assert speeds(lake) == [16.093, 32.187]
    lake.land(wrong, message(30, minute=2))
    assert lake.increment(wrong) == [1, 0]
    assert speeds(lake) == [16.093, 30, 32.187]
    assert [each.changed for each in again(lake, right).days] == [1]
    assert speeds(lake) == [16.093, 32.187, 48.28]


def meanwhile(lake: PayloadLake, registry: Registry, act: Callable[[], object]) -> Redecoded:
    """Once, before the first day is committed."""
    left = [act]
    once = Redecode(
        lake.settings, SIGNALS, registry, ("mine",), before_commit=lambda: left.pop()() if left else None
    )
    return once.run()


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


def test_the_state_that_history_gives_is_by_the_corrected_contract(
    lake: PayloadLake, wrong: Registry, right: Registry
) -> None:
    """Of a source that was derived again; before, it is what the sinks have understood."""

    def speed() -> list[object]:
        states = history_states(lake.settings, right, lake.bronze.version())
        return [state.signals["speed"].v for state in states]

    lake.land(wrong, message(100))
    lake.increment(wrong)
    assert speed() == [100]
    again(lake, right)
    lake.land(wrong, message(50, minute=1))
    assert speed() == [pytest.approx(80.4672)]


@pytest.fixture
def marts(lake_settings: LakeSettings, right: Registry) -> Marts:
    return Marts(lake_settings, MODELS, reference(right), TransformSettings())


def test_a_day_of_which_only_values_changed_is_due(
    lake: PayloadLake, wrong: Registry, right: Registry, marts: Marts
) -> None:
    """It has as many readings as before. Other days are not due."""
    lake.land(wrong, message(10), message(7, days_before=5))
    lake.land(right, message(3, days_before=9))
    lake.increment(right)
    minutes = MODELS["gold.signal_minute"]
    build(marts, minutes)
    again(lake, right)
    assert plan(marts)["gold.signal_minute"] == [str(DAY - timedelta(days=5)), str(DAY)]
    build(marts, minutes)
    assert "gold.signal_minute" not in plan(marts)
    values = lake.rows("select round(last_value, 3) from gold.signal_minute order by event_date")
    assert values == [(4.828,), (11.265,), (16.093,)]


def test_a_day_that_lost_all_its_readings_has_no_rows_in_marts(
    lake: PayloadLake, wrong: Registry, marts: Marts, tmp_path: Path
) -> None:
    """And is not due again."""
    lake.land(wrong, message(10))
    lake.increment(wrong)
    minutes = MODELS["gold.signal_minute"]
    build(marts, minutes)
    again(lake, contracts(tmp_path, time="then"))
    build(marts, minutes)
    assert lake.rows("select event_date from gold.signal_minute") == [(BEFORE,)]
    assert "gold.signal_minute" not in plan(marts)


def test_a_day_is_known_by_its_rows_until_it_is_replaced(
    lake: PayloadLake, wrong: Registry, right: Registry
) -> None:
    """What was built before this could be recorded is not due for that."""
    store = wait_ready(lake.settings)
    lake.land(wrong, message(10), message(1, days_before=1, then="never"))
    lake.increment(wrong)
    days: list[date] = [BEFORE, DAY]
    assert snapshot(store, "silver.signals").marks == {str(day): 1 for day in days}
    again(lake, right)
    first = snapshot(store, "silver.signals").marks
    assert first.keys() == {str(day) for day in days}
    assert all(mark > 1 << 40 for mark in first.values())
