"""A process that stands still until its partitions are another's, and then goes on as if nothing had been: it
adds no row, no record that a read-committed reader sees, and takes part again.

It is frozen where it is about to make something visible. Only a real broker's groups give up a frozen member.
"""

import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from broker.settings import KafkaSettings
from ingest.settings import IngestSettings
from ingest.steps import HistoryStep, RoutesStep, StateStep, Step
from tests.deadlines import eventually
from tests.ingest import routes_fleet
from tests.ingest.conftest import NewFleet
from tests.ingest.forked import Forked, forked
from tests.ingest.sink_process import Site
from tests.ingest.telemetry_fleet import Fleet

pytestmark = [pytest.mark.real_kafka, pytest.mark.slow]

MOVED_SECONDS = 100.0
"""A session, a rebalance, and for routes the timeout of a transaction that nobody ends."""


@pytest.fixture(params=["classic", "consumer"])
def both_protocols(request: pytest.FixtureRequest, soon_missed: KafkaSettings) -> KafkaSettings:
    """Both protocols of a group."""
    return soon_missed.model_copy(update={"group_protocol": request.param})


@pytest.fixture
def fleet(new_fleet: NewFleet, both_protocols: KafkaSettings) -> Fleet:
    """A topic without messages."""
    return new_fleet(kafka=both_protocols, state_flush_ms=20, commit_seconds=0.2)


@pytest.fixture
def routes(both_protocols: KafkaSettings, tmp_path: Path) -> routes_fleet.Fleet:
    """Cars and pressure sensors that have not sent anything."""
    ingest = IngestSettings(transaction_seconds=0.1, runtime_dir=tmp_path / "run")
    fleet = routes_fleet.Fleet(both_protocols, ingest, uuid.uuid4().hex[:8])
    fleet.create_topics()
    return fleet


@pytest.mark.parametrize("step", [HistoryStep.POLLED, HistoryStep.WRITTEN, HistoryStep.COMMITTED])
def test_a_frozen_history_adds_no_row(fleet: Fleet, step: HistoryStep) -> None:
    """The table refuses its commit, or had it before; it drops what it holds and is a member again."""
    problems = fleet.history_problems
    with frozen_until_done("history", fleet.site, fleet.folder, step, fleet.send, problems) as zombie:
        before = assignments(zombie)
        zombie.thaw()
        eventually(lambda: assignments(zombie) > before)
        fleet.send(300)
        eventually(lambda: not problems())
        assert not zombie.has_ended, zombie.last_words()
    assert not problems()


@pytest.mark.parametrize("step", [StateStep.REDUCED, StateStep.DURABLE])
def test_a_frozen_state_sink_changes_nothing(fleet: Fleet, step: StateStep) -> None:
    """What it still writes is there already or older; its group offsets are refused, and it is a member
    again."""
    problems = fleet.state_problems
    with frozen_until_done("state", fleet.site, fleet.folder, step, fleet.send, problems) as zombie:
        before = assignments(zombie)
        zombie.thaw()
        eventually(lambda: assignments(zombie) > before)
        fleet.send(300)
        eventually(lambda: not problems())
        assert not zombie.has_ended, zombie.last_words()
    assert not problems()


@pytest.mark.parametrize("step", [RoutesStep.SENT, RoutesStep.OFFSETS_SENT])
def test_a_frozen_routes_shows_no_record(
    routes: routes_fleet.Fleet, step: RoutesStep, tmp_path: Path
) -> None:
    """Kafka has ended its transaction and fenced it: it ends, and whoever is started in its place goes on."""

    def problems() -> dict[str, Any]:
        return routes_fleet.problems(routes)

    with frozen_until_done("routes", routes.site, tmp_path, step, routes.send_traffic, problems) as zombie:
        zombie.thaw()
        assert zombie.wait() == 1, zombie.last_words()
        with forked("routes", routes.site, tmp_path) as heir:
            eventually(lambda: assignments(heir) > 0)
            routes.send_traffic(300)
            eventually(lambda: not problems())
    assert not problems()


@contextmanager
def frozen_until_done(
    sink: str,
    site: Site,
    folder: Path,
    step: Step,
    send: Callable[[int], None],
    problems: Callable[[], object],
) -> Iterator[Forked]:
    """One that froze at the step under load; another runs that has done all there is."""

    def is_frozen() -> bool:
        send(20)
        return zombie.is_frozen

    with forked(sink, site, folder, step, 2, signal.SIGSTOP) as zombie:
        eventually(is_frozen)
        with forked(sink, site, folder) as successor:
            eventually(lambda: not problems(), MOVED_SECONDS)
            yield zombie
            assert not successor.has_ended, successor.last_words()


def assignments(process: Forked) -> int:
    return process.log.read_text().count("partitions_assigned")
