"""Whoever reads bronze after its silver was derived again goes by the corrected contract, or is refused."""

import pytest

from contracts.registry import Registry
from lake.bronze_meaning import SilverOutdated
from lake.history_state import history_states
from lake.silver import Lane
from tests.transforms.payload_lake import PayloadLake, message
from tests.transforms.redecode.calls import again, speeds
from tests.transforms.small_lake import SIGNALS
from transforms.increment import increment


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
