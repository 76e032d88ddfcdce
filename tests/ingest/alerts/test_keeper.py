"""Two processes that judge one vehicle, and a store that fails in the midst of a step."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contracts.access import Vehicles
from ingest.alerts.keeper import Keeper
from ingest.alerts.metrics import AlertMetrics
from ingest.alerts.rules import RuleSet
from ingest.alerts.track import Fact
from lake.alert_outbox import AlertOutbox
from lake.alert_store import TOLD_AFTER_US, AlertStore
from lake.errors import StoreUnavailable
from lake.mongo import STORE
from lake.settings import MongoSettings
from tests.ingest.alerts.alert_scene import rules_of

NOW_US = 1_000_000_000


class Failing(AlertStore):
    """A store whose next call of a name fails, done or not."""

    def __init__(self, settings: MongoSettings) -> None:
        super().__init__(settings)
        self.fails: dict[str, bool] = {}
        """Name -> whether it is done all the same."""

    def write(self, *arguments: Any) -> Any:
        return self._perhaps("write", lambda: super(Failing, self).write(*arguments))

    def apply(self, *arguments: Any) -> Any:
        return self._perhaps("apply", lambda: super(Failing, self).apply(*arguments))

    def told(self, *arguments: Any) -> Any:
        return self._perhaps("told", lambda: super(Failing, self).told(*arguments))

    def _perhaps(self, name: str, do: Callable[[], Any]) -> Any:
        is_done = self.fails.pop(name, None)
        if is_done is None:
            return do()
        if is_done:
            do()
        raise StoreUnavailable(STORE, "x", name)


@pytest.fixture
def store(mongo_settings: MongoSettings) -> Iterator[Failing]:
    """Without any vehicle."""
    with Failing(mongo_settings) as opened:
        yield opened


def keeper(store: AlertStore, now_us: int = NOW_US, rules: RuleSet | None = None) -> Keeper:
    """Another process."""
    outbox = AlertOutbox(store.settings, store.client)
    return Keeper(rules or rules_of("http://x/"), Vehicles({}), store, outbox, AlertMetrics(), lambda: now_us)


def speed(t: int, value: float) -> dict[str, list[Fact]]:
    """Of the vehicle `v`."""
    return {"v": [Fact(t, "speed", value)]}


def states(store: AlertStore) -> list[tuple[int, str]]:
    """(time of opening, state) of each alert, in the order of time."""
    return sorted((each["opened_us"], each["state"]) for each in store.alerts())


def deliveries(store: AlertStore) -> int:
    """Those that wait to be sent."""
    return AlertOutbox(store.settings, store.client).count("waiting")


def test_two_processes_take_turns_at_a_vehicle(store: Failing) -> None:
    """Each remembers it as it was; who is behind finds out, and goes on from what the other made of it."""
    one, other = keeper(store), keeper(store)
    one.take(speed(1, 50.0))
    other.take(speed(2, 142.0))
    one.take(speed(3, 150.0))
    other.take(speed(4, 95.0))
    one.take(speed(5, 60.0))
    assert states(store) == [(2, "resolved")]
    other.take(speed(6, 142.0))
    assert states(store) == [(2, "resolved"), (6, "open")]
    assert deliveries(store) == 3


@pytest.mark.parametrize("name", ["write", "apply", "told"])
@pytest.mark.parametrize("is_done", [True, False])
def test_a_step_that_failed_is_done_again_and_changes_nothing(
    store: Failing, name: str, is_done: bool
) -> None:
    """Whether its answer was lost or it was never done; by the same process, and then by another."""
    one = keeper(store)
    one.take(speed(1, 50.0))
    store.fails[name] = is_done
    with pytest.raises(StoreUnavailable):
        one.take(speed(2, 142.0))
    one.take(speed(2, 142.0))
    keeper(store).take(speed(2, 142.0))
    assert states(store) == [(2, "open")]
    assert deliveries(store) == 1
    assert store.due(2**60, 0, 10) == []


def test_what_a_killed_process_has_not_told_is_told_by_another(store: Failing) -> None:
    """Although the vehicle sends nothing any more, and nothing is read again."""
    store.fails["apply"] = False
    with pytest.raises(StoreUnavailable):
        keeper(store).take(speed(2, 142.0))
    assert states(store) == []
    keeper(store).tick(0)
    assert states(store) == [], "its writer may still be at it"
    keeper(store, NOW_US + TOLD_AFTER_US).tick(0)
    assert states(store) == [(2, "open")]
    assert store.due(2**60, 0, 10) == []


def test_a_vehicle_that_no_rule_is_for_is_not_kept(store: Failing) -> None:
    """Nor read."""
    one = rules_of("http://x/").rules[0]
    only = rules_of("http://x/").model_copy(update={"rules": (one.model_copy(update={"vehicles": ("w",)}),)})
    keeper(store, rules=only).take(speed(1, 142.0))
    assert store.read(["v"])["v"].revision == 0
