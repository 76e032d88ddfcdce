"""The whole history sink on a store that fails as real ones do: nothing is lost and nothing doubled."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from broker.settings import KafkaSettings
from fleetlake.stack.server import wait_until
from ingest.errors import Shutdown
from lake.errors import AccessDenied
from lake.settings import LakeSettings
from lake.storage import wait_ready
from tests.faults.proxy import Faults
from tests.faults.s3 import COMMIT, DATA, FaultyLake, faulty
from tests.ingest.odometer_fleet import DEADLINE, QUICK, Fleet, landed, make_fleet, message, running
from tests.real_services import Real

MESSAGES = 150
AWAY_SECONDS = 6.0


@pytest.fixture
def lake(real: Real, s3_lake_settings: LakeSettings) -> Iterator[FaultyLake]:
    """Behind the fault proxy, with clients that wait for 2 s."""
    direct = real.lake() or s3_lake_settings
    wait_ready(direct)
    with faulty(direct, request_timeout_s=2.0) as made:
        yield made


@pytest.fixture
def fleet(lake: FaultyLake, kafka_settings: KafkaSettings, topic_name: str, tmp_path: Path) -> Fleet:
    """Three partitions."""
    return make_fleet(kafka_settings, lake.settings, topic_name, tmp_path)


@pytest.mark.slow
def test_one_fault_after_the_other_and_every_message_is_one_row(lake: FaultyLake, fleet: Fleet) -> None:
    """Failing and cut requests, lost acknowledgements, a store that hangs, and one that is away."""
    past_the_proxy = replace(fleet, lake=lake.direct)
    trials = [
        Faults(fail_share=0.3, seed=1),
        Faults(cut_share=0.3, seed=2),
        Faults(cut_share=0.5, cut_at="request", seed=3),
        Faults(fail_share=0.5, fail_when="after", matching=COMMIT, seed=4),
        Faults(freeze=True, matching=COMMIT),
        Faults(freeze=True, matching=DATA),
        Faults(refuse=True),
    ]
    with running(fleet):
        for number, faults in enumerate(trials):
            lake.proxy.set(faults)
            lake.proxy.lose_acknowledgement(COMMIT)
            fleet.send(MESSAGES, first=number * MESSAGES)
            if faults.freeze or faults.refuse:
                heal_in_time(lake)
            assert wait_until(landed(past_the_proxy, (number + 1) * MESSAGES), DEADLINE)
    counts = lake.proxy.counts
    assert min(counts.failed, counts.cut, counts.lost, counts.frozen) > 0
    assert past_the_proxy.payloads() == sorted(message(n) for n in range(len(trials) * MESSAGES))
    assert len(set(past_the_proxy.coordinates())) == len(trials) * MESSAGES


def heal_in_time(lake: FaultyLake) -> None:
    """Once the client has given up on a request and begun another, or found nobody for some seconds."""
    frozen, began = lake.proxy.counts.frozen, time.monotonic()
    assert wait_until(
        lambda: lake.proxy.counts.frozen >= frozen + 2 or time.monotonic() - began > AWAY_SECONDS, DEADLINE
    )
    lake.proxy.heal()


@pytest.mark.slow
def test_a_store_that_reads_and_takes_nothing_ends_history_by_name(
    lake: FaultyLake, fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    """A right that was withdrawn: said at each failure, and after patience it is the reason of the end."""
    fleet.send(1)
    with pytest.raises(AccessDenied, match="AccessDenied for bucket"):
        land_until_it_is_withdrawn(fleet, lake)
    assert "store_refuses" in capsys.readouterr().out
    lake.proxy.heal()
    fleet.land()
    assert fleet.payloads() == sorted(message(n) for n in range(MESSAGES))


def land_until_it_is_withdrawn(fleet: Fleet, lake: FaultyLake) -> None:
    with running(fleet, QUICK.model_copy(update={"store_patience_seconds": 4.0})) as sink:
        assert wait_until(landed(fleet, 1), DEADLINE)
        lake.proxy.set(Faults(fail_share=1.0, fail_when="denied", matching=r"^(PUT|POST) "))
        fleet.send(MESSAGES - 1, first=1)
        assert wait_until(sink.has_ended, DEADLINE)


@pytest.mark.slow
def test_a_stop_while_the_store_is_away_says_so(lake: FaultyLake, fleet: Fleet) -> None:
    """As one that hangs: by name, and the rest is done after a restart."""
    fleet.send(MESSAGES)
    with pytest.raises(Shutdown, match="could not finish"):
        read_and_stop(fleet, lake)
    lake.proxy.heal()
    fleet.land()
    assert fleet.payloads() == sorted(message(n) for n in range(MESSAGES))


def read_and_stop(fleet: Fleet, lake: FaultyLake) -> None:
    with running(fleet, QUICK.model_copy(update={"commit_seconds": 60.0, "shutdown_seconds": 5.0})) as sink:
        assert wait_until(lambda: sink.uncommitted() == MESSAGES, DEADLINE)
        lake.proxy.set(Faults(refuse=True))


@pytest.mark.slow
def test_a_stop_does_not_wait_for_a_store_that_hangs(lake: FaultyLake, fleet: Fleet) -> None:
    """It ends by name, and what was not committed lands after a restart."""
    fleet.land()
    lake.proxy.set(Faults(freeze=True, matching=COMMIT))
    fleet.send(MESSAGES)
    with pytest.raises(Shutdown):
        stop_while_frozen(fleet, lake)
    lake.proxy.heal()
    fleet.land()
    assert fleet.payloads() == sorted(message(n) for n in range(MESSAGES))
    assert len(set(fleet.coordinates())) == MESSAGES


def stop_while_frozen(fleet: Fleet, lake: FaultyLake) -> None:
    with running(fleet, QUICK.model_copy(update={"shutdown_seconds": 1.0})):
        assert wait_until(lambda: lake.proxy.counts.frozen > 0, DEADLINE)
